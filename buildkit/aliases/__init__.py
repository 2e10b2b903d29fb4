"""Stage 7: the tags that move from image to image."""
