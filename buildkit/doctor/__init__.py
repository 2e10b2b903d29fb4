"""What is wrong with a machine, its network and its AWS account, and what fixes it."""
