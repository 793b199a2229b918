"""Which model is in use after a training: the new one, or the one before."""
