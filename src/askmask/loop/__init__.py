"""The verbs of a round, one file each, and the project that they work on."""
