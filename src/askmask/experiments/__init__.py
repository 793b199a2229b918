"""Trials, their results table, and what is drawn from it."""
