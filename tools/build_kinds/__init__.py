"""Makes the file of kinds of work that the embedded router knows: `python -m tools.build_kinds`."""
