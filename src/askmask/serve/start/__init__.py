"""The start of the page: projects that are known, opened, made, used and put away."""
