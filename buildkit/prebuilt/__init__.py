"""AWS's prebuilt images and their URIs. Uses only the standard library."""
