"""A new project: the files that it begins with."""
