"""A command-line trainer for word-level LSTM text generation."""

__version__ = "0.1.0"
