"""Stage 2: images -> targets, each of them checked before anything is built."""
