"""A drawn data set: tissue that no microscope saw, with masks that are exactly right."""
