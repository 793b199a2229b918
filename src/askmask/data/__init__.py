"""Where images and masks come from."""
