"""Images that break one clause each, by the group of clauses."""
