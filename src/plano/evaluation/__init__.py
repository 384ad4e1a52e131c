"""How well routing works: on labelled conversations, and on the routes alone."""
