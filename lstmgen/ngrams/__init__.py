"""N-gram baselines, to compare a network with."""
