"""The benchmark of scores: what they are worth for pruning, class by class, rank by rank, and beside human labels."""
