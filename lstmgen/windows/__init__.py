"""From ids to windows: parallel streams, random windows, evaluation lanes."""
