"""From a checkpoint to words, in numpy alone: loading, sampling, receipts, the Python API."""
