"""Independent trials: where they run, and how they are kept."""
