"""Training and processing jobs: how they are laid out and run, and their clauses."""
