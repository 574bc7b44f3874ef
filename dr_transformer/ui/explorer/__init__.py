"""The home page: the picture, and curves over depth under it."""
