"""Image files of every kind, read exactly as they were meant, or refused."""
