"""What a decision costs: its latency, its CPU, its memory, and what the other requests notice of it."""
