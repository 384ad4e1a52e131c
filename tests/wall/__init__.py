"""What stands around the gateway in tests: upstreams that play a script, clients that see raw
bytes, and the gateway itself, in this process or as a child. Everything is on loopback, nothing
sleeps, and every wait has an end."""
