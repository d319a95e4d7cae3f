"""The commands of ``python -m real_data``, a file for each group of them; ``options`` has what they share."""
