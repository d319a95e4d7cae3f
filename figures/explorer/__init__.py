"""The explorer in the browser: questions to the theory, their answers, the pages that show them."""
