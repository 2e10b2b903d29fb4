"""Stage 4: Dockerfiles -> images in an engine, by `docker buildx bake`."""
