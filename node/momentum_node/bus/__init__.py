"""Group communication: one contract, three engines."""
