"""Initial weights drawn from (seed, name of the parameter).

So adding a layer leaves the weights of all others as they were, and building a
model never touches torch's global generator.
"""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

FORGET_BIAS = 1.0  # Gers et al. 2000; Jozefowicz et al. 2015
EMBEDDING_RANGE = 0.1


def initialise(model: nn.Module, *, seed: int) -> None:
    """Fill every parameter of a model.

    Recurrent matrices and projections are uniform in +-1/sqrt(hidden), word
    vectors and the output matrix in +-0.1, biases 0; of the two biases of a
    forget gate one is 1.
    """
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            parameter.copy_(_values(name, parameter, seed=seed))


def start_bias(bias: Tensor, counts: Sequence[int]) -> None:
    """Set an output bias to the log shares of the words, one added to each count."""
    shares = torch.tensor(counts, dtype=torch.float64) + 1
    with torch.no_grad():
        bias.copy_(torch.log(shares / shares.sum()))


def _values(name: str, parameter: Tensor, *, seed: int) -> Tensor:
    if parameter.dim() == 1:
        values = torch.zeros_like(parameter)
        if name.endswith("bias_ih_l0"):
            hidden = len(parameter) // 4
            values[hidden : 2 * hidden] = FORGET_BIAS
        return values
    if name.startswith("layers."):
        reach = 1 / math.sqrt(len(parameter) // 4)
    elif name.startswith("projection."):
        reach = 1 / math.sqrt(parameter.shape[1])
    else:
        reach = EMBEDDING_RANGE
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    generator = np.random.Generator(np.random.Philox(int.from_bytes(digest[:16], "little")))
    drawn = generator.uniform(-reach, reach, size=tuple(parameter.shape))
    return torch.from_numpy(drawn).to(parameter.dtype)
