"""Guided tours that drive the app."""

from dr_transformer.ui.lessons import lessons

lessons()
