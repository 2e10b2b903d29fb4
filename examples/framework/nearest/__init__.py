"""Your own framework: it reads and splits the data, and calls the user's script to fit a model."""
