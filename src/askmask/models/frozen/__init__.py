"""Networks made ready for prediction: one file for each network that has a form of its own."""
