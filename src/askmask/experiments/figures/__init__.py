"""Figures, drawn from the table of results."""
