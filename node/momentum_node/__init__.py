"""The node: an MTA whose addresses move with it."""
