"""Stage 3: target -> Dockerfile, and what it takes from the build context."""
