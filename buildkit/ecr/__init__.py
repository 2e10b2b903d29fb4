"""The door to AWS: ECR registries and the repositories in them."""
