"""The node: an MTA whose addresses move with it."""

__version__ = "0.1.0"
