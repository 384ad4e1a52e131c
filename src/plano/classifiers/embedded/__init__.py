"""The router in this process: it embeds what was said and compares it with the routes."""
