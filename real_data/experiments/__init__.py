"""Experiments: score, prune, train, test, as resumable cells on any executor."""
