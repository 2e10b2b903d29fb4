"""images.lock: what it says, how it is made, and whether it fits images.toml."""
