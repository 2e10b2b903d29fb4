"""Stage 7: verified images into registries, under their exact tags."""
