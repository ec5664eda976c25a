"""A trainer for word-level LSTM text generation; ``lstmgen.load`` is the Python API."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        return import_module("lstmgen.generation.api").load
    raise AttributeError(f"module 'lstmgen' has no attribute {name!r}")
