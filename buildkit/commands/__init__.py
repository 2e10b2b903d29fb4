"""One module per command: parse, one call into the stages, print."""
