"""Fitting a network to labelled pixels."""
