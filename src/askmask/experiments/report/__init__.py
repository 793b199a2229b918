"""One HTML file that tells what was asked and what came of it."""
