"""Releases: what is checked, built and tried before a version is tagged.  Not part of the package; see ``__main__``."""
