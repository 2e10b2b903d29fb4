"""Compares two releases: layers, configuration, packages, release notes."""
