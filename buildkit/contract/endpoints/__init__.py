"""Kinds of endpoints that an image may promise to serve, and their clauses."""
