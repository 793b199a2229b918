"""Beginning a project: a look at its images, settings that fit, and the known masks taken in."""
