"""The page Log-normaliser: one file a statement, and what they share."""
