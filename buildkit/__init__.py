"""Build, smoke-test and publish SageMaker-compatible container images."""
