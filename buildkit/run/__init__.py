"""An image at work on this machine, as SageMaker runs it: `buildkit run`."""
