"""Who may ask, and for how much: gateway keys while the gateway runs."""
