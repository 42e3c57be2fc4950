"""What goes wrong with a test cluster, said so that a person knows what to do next."""


class ClusterError(Exception):
    """The cluster cannot be made, used or removed; the text says why and what is missing."""
