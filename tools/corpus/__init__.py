"""What keeps the routing corpus (`corpus/`): reading, checking, measuring and extending it."""
