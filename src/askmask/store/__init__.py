"""The SQLite database of a project: images, queries, answers, rounds, leases, tokens."""
