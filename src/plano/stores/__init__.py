"""Where the pins of sessions are kept: one promise (`routing.ports.AffinityStore`), two keepers."""
