"""Stage 6: verified images into registries, under their exact tags."""
