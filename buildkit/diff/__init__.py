"""Two releases compared: layers, configuration, packages, release notes."""
