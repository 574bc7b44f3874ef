"""The panel Save and restore, on several pages."""
