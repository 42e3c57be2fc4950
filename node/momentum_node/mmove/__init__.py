"""Moving queued mail between nodes: what goes where, and the dialogue of a move."""
