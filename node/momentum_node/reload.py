"""What people are told of a reload: accepted or refused, each once, and what waits for the next start of the node."""

from collections.abc import Sequence

from momentum_node.config.changes import fixed_options, waiting_for_restart
from momentum_node.config.loading import Loaded
from momentum_node.log import logger

MOST_TOLD = 20  # warnings of one generation


class ReloadNews:
    """One per core. `waiting` goes into every report for as long as it is true."""

    def __init__(self, started: Loaded) -> None:
        self._started = fixed_options(started.tree)
        self._refused: tuple[str, ...] = ()
        self.waiting: tuple[str, ...] = ()

    def accepted(self, loaded: Loaded) -> None:
        """A new generation is about to be put into force. Walks through its tree: not for the event loop."""
        told, self.waiting = self.waiting, waiting_for_restart(self._started, fixed_options(loaded.tree))
        logger().info("configuration loaded", digest=loaded.node.digest)
        for message in loaded.warnings[:MOST_TOLD]:
            logger().warning("configuration", text=str(message))
        for line in self.waiting:
            if line not in told:
                logger().warning("configuration", text=line)

    def seen(self, errors: Sequence[str]) -> None:
        """What is wrong with the files as they are now; nothing of them is in force while there is anything."""
        refused, self._refused = self._refused, tuple(errors)
        if self._refused == refused:
            return
        for line in self._refused:
            logger().error("configuration", text=line)
        if self._refused:
            logger().error("Reconfigure failed", errors=len(self._refused))
