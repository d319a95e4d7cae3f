"""The commands of the figures, by what they draw."""
