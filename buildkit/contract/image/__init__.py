"""Clauses that are judged without starting the image."""
