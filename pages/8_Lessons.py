"""Guided tours that drive the app."""

from dr_transformer.ui.lessons.page import lessons

lessons()
