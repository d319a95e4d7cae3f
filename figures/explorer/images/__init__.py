"""What the page of real data shows: scores, rankings, what a keep rule keeps, pictures, duplicates; no page here."""
