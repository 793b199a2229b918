"""What a round does: one file per verb, and the project that it works on."""
