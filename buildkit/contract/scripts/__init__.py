"""Images that run users' scripts: the suite's own scripts, and the clauses."""
