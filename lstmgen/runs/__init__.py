"""Run folders on disk, with their checkpoints and records, and the bundled presets."""
