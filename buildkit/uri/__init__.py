"""The answers of `buildkit uri`: images of this project, AWS's, lists, and URIs explained."""
