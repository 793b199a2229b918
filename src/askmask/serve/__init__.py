"""The worker that trains and asks, and the page on which people answer."""
