"""How often a router is right: on the project's corpus, and on public data sets beside it."""
