"""The page Compare: the transformer beside the other methods, with their scores."""
