"""What CI needs: the matrix in shards, their records merged, and what a release changes.

One job plans; each shard builds exactly the targets that the plan lists for it.
"""
