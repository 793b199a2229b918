"""What the loop does with whole slides, beside the fields that are its images."""
