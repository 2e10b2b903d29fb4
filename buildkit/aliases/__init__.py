"""Stage 8: the tags that move from image to image."""
