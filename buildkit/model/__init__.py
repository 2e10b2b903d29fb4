"""The values that flow from stage to stage, and the names in them. Frozen, without I/O."""
