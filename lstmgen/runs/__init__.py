"""What lies on disk: run folders, checkpoints, records of a run, presets."""
