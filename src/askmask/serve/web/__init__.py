"""The annotation page and its API: a driver that meets the loop only through the store."""
