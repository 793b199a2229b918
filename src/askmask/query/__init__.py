"""From probabilities to a query: scores, strategies, regions."""
