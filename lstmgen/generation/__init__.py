"""From a checkpoint's weights to words, in numpy alone."""
