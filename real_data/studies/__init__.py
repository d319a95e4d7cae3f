"""Questions that take experiments of their own to answer."""
