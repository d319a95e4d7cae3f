"""Results, settings and locks as files that describe themselves."""
