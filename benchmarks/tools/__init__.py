"""Tools that prepare texts."""
