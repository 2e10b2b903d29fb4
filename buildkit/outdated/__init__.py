"""What a project uses, and what is newer: bases, packages, frameworks and AWS's images."""
