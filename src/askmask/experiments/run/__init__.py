"""Grids of trials, and the one table of their results."""
