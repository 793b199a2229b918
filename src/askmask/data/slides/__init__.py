"""Images that are never whole in memory: slides, read in boxes of one of their levels."""
