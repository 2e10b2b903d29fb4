"""A framework of one's own: it reads and splits the data, and the user's script says how to fit."""
