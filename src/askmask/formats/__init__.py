"""Queries out and answers in, one file per tool or exchange format."""
