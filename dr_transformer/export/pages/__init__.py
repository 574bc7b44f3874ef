"""Pages that are files: with a run that was recorded, or with the model that runs in them."""
