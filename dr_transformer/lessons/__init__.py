"""Guided tours: their format, without a page around it."""
