"""The page Lessons, which plays guided tours."""
