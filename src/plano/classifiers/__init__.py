"""Who is asked which route fits: a router in this process, and a served router model."""
