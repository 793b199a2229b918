"""What makes a region cheaper to label: a few strokes, spread over it."""
