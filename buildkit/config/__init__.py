"""Stage 1: images.toml, read. Nothing is executed; every problem is reported at once."""
