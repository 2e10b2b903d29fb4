"""Servers: how they are started and asked, and the clauses of every one of them."""
