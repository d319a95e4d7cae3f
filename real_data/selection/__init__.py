"""Which examples to keep, from their scores."""
