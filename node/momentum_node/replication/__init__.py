"""What the nodes of a cluster count together."""
