"""Requests to SageMaker for the image of a target, as JSON, Python and Terraform."""
