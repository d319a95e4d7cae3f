"""What Sphinx lacks for this site; each file is one extension."""
