"""Statistics of the results table: curves, intervals, tests, verdicts."""
