"""The SQLite database of a project: images, queries, answers, rounds, people at work."""
