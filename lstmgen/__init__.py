"""A trainer for word-level LSTM text generation.

The Python API: ``lstmgen.train`` trains, ``lstmgen.load`` loads a model.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load", "train"]
API = {"load": "lstmgen.generation.api", "train": "lstmgen.reporting.train_api"}


def __getattr__(name: str) -> Any:
    if name in API:  # imported only where it is used
        return getattr(import_module(API[name]), name)
    raise AttributeError(f"module 'lstmgen' has no attribute {name!r}")
