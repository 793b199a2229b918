"""The report of a run as one HTML file: what was asked, and what followed from it."""
