"""Many visitors at once, over real WebSocket connections."""
