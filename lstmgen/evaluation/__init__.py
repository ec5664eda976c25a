"""Measuring a model on a text: perplexity, n-gram baselines, caches, dynamic evaluation."""
