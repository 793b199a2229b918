"""Label Studio tasks with their annotations."""
