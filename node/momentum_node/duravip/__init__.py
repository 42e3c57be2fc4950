"""Addresses that move: the agreed machine, and the drivers that plumb, probe and announce."""
