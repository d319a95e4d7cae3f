"""The saddle-point equations and what solves them; the questions are asked one floor up."""
