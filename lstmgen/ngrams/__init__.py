"""Counting baselines: what a network must beat to earn its keep."""
