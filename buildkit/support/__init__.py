"""What every package may use, and that knows nothing of images: errors, texts, tables."""
