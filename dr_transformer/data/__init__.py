"""The tokens: data sets, where they come from, users' files, drawings, and data without structure."""
