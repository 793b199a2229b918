"""What each command does and prints; the arithmetic is elsewhere."""
