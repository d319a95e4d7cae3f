"""Training of networks: settings, batches, steps, checkpoints, weights."""
