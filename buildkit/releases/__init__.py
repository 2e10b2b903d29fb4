"""What was released, and what can be done with it later: the ledger, its readers and movers."""
