"""AWS's prebuilt images: which there are, and their URIs. Only the standard library."""
