"""Studies, each run once to answer a question of the docs."""
