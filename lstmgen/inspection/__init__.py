"""Equations, gates and gradients of a model on a text, as numbers."""
