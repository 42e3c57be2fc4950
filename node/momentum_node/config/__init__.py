"""The configuration language: text in, one immutable typed reading out. Knows nothing else of the node."""
