"""Kinds of endpoints that an image may promise to support, and their clauses."""
