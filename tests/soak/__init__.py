"""A campaign against askmask: hostile requests, floods, kills, hardship, hostile texts and files.

Run by ``make soak`` in full, by the slow tests in part, and by the default tests in a short form.
Each part returns its figures, and raises `AssertionError` at the first thing that must not happen.
"""
