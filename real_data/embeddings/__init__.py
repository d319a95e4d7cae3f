"""Embeddings of images, encoders that make them, and scores without labels: distances to clusters."""
