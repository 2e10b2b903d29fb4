"""The door to AWS: registries of ECR, and the repositories in them."""
