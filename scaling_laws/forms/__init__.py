"""Forms of scaling laws by name; what each is stands in the docstring of the function that makes it."""
