"""Stage 5: Dockerfiles -> images in an engine, by `docker buildx bake`."""
