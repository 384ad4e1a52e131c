"""Measures the gateway against the barest relay, the bare upstream and its peers."""
