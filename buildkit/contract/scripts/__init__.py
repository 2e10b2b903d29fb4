"""Images that run other people's scripts: the suite's own scripts, and their clauses."""
