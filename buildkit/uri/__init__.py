"""What `buildkit uri` answers: own images, AWS's, lists, and what a URI means."""
