"""Stage 4: what has to be done for each target, decided before any engine is asked."""
