"""Pins in Redis, shared by all workers and replicas. Imported only where it is configured."""
