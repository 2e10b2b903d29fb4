"""The door to Docker: images, and the containers, volumes and networks of a test."""
