"""Regions for people, a few at a time: there is always a next one, from what is known so far."""
