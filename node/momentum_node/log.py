"""Log lines of the node's processes: one event a line, key=value, to standard error. Mail logs are elsewhere."""

from typing import TextIO, cast

import structlog

from momentum_node.logpipe import STDERR, log_pipe


def configure(process: str) -> None:
    """Set up this process's log; every line carries `process`."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "process", "event"]),
        ],
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", log_pipe(STDERR))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def logger() -> structlog.typing.FilteringBoundLogger:
    """The process's logger: `logger().info("plumbed", address=…)`."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return bound
