"""The page Inside a block: one file a section, and what sections share."""
