"""Studies that were made once, each to answer a question of the documents."""
