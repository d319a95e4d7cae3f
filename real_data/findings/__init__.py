"""What saved results say: tables, frontiers, best windows; nothing is trained here."""
