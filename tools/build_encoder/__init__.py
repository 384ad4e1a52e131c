"""Makes the encoder that ships inside the package: `python -m tools.build_encoder`, or `make encoder`."""
