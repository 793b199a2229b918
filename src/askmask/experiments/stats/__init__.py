"""What the table of results says: curves, intervals, tests, verdicts."""
