"""The device that training runs on, and torch's settings for it."""

import ctypes
import os

import torch

from lstmgen.errors import UsageError, counted

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h


def choose_device(name: str) -> torch.device:
    """The device of a config's ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UsageError: if CUDA is requested and not available.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UsageError(
            "train.device = cuda: torch sees no CUDA GPU here. Set train.device: auto or cpu"
        )
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def set_up(device: torch.device, *, threads: int | None = None) -> None:
    """Make results reproducible, and flush denormals, which slow an LSTM down 20 times.

    Args:
        threads: of the CPU; None: torch's default.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False


def gpu_memory(device: torch.device) -> int | None:
    """Bytes of a GPU's memory; None for the CPU."""
    if device.type != "cuda":
        return None
    return int(torch.cuda.get_device_properties(device).total_memory)


def keep_memory() -> None:
    """Let malloc keep freed memory from now on, if the C library can.

    glibc maps each large block separately and unmaps it when freed, so every step would fault
    in the pages of its gradients. Called before the first step, so that what was freed earlier
    goes back to the system.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def describe(device: torch.device, *, bf16: bool = False) -> str:
    """The device's name on the start card, with its matmul precision."""
    matmuls = ", bf16 matmuls" if bf16 else ""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)}{matmuls})"
    threads = torch.get_num_threads()
    return f"cpu ({counted(threads, 'thread')}{matmuls})"


def keep_denormals() -> None:
    """Let the process compute with denormal numbers again, as torch does by default.

    For a process that is not ours, after a training (``lstmgen.train``).
    """
    torch.set_flush_denormal(False)
