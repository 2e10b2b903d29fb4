"""A registry over the OCI distribution specification: what it holds, and how things get there."""
