"""What this machine does, measured against the plain references."""
