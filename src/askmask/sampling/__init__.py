"""Predictions of one image: by Monte Carlo samples, an ensemble, or one pass."""
