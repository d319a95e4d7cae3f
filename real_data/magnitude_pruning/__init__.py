"""Iterative magnitude pruning of network weights, and the law of the error that it leaves."""
