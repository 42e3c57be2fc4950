"""Failover drills: an address is moved away and back on purpose, and what a client sees of it is measured."""
