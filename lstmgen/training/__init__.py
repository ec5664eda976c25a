"""Training a model: setup, loop, evaluations, checkpoints, optimizers, schedules, ranks."""
