"""The routes of the start, one file per resource."""
