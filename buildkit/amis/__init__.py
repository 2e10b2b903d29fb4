"""SageMaker's hosts with GPUs: which Amazon Machine Image (AMI) an image with CUDA needs."""
