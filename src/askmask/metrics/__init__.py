"""Scores of predictions on valid pixels, accumulated in one pass."""
