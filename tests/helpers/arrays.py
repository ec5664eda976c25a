"""Random arrays, the weights of a model, whether two arrays are equal, and simple settings."""

import numpy as np

from lstmgen.config.schema import TrainConfig


def normal(*shape, seed=0, dtype=np.float64):
    """Numbers drawn from the normal distribution."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def close(ours, theirs, atol=1e-12):
    """Assert that two arrays are equal to an absolute error."""
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=atol)


def weights_of(model):
    """A copy of a model's weights, by name."""
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def steady(rate, **settings):
    """Settings of a training with one learning rate from its first step to its last."""
    return TrainConfig(
        **{"learning_rate": rate, "schedule": "constant", "warmup_steps": 0, "seed": 9} | settings
    )
