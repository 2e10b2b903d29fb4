"""What a CI needs: the matrix in shards, their records merged, and what a release changes."""
