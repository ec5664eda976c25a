"""Where training runs, and how torch is set up for it."""

import os

import torch

from lstmgen.errors import UsageError


def choose_device(name: str) -> torch.device:
    """The device of a config's ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UsageError: where CUDA is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UsageError(
            "train.device = cuda: torch sees no CUDA GPU here. Set train.device: auto or cpu"
        )
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def set_up(device: torch.device) -> None:
    """Make results repeatable, and denormal numbers cheap (they slow an LSTM 20 times)."""
    torch.set_flush_denormal(True)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False


def describe(device: torch.device) -> str:
    """What the start card calls a device."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"
