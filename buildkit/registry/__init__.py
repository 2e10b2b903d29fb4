"""The door to registries, by the OCI distribution specification."""
