"""Pictures: results in, a matplotlib figure out."""
