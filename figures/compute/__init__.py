"""The numbers of the figures of theory: results out, no picture."""
