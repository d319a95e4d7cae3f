"""Finite students, one file each, and the certificates of what they learned."""
