"""The stores of users as files: read when they are first asked, and again when they changed."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from momentum_node.config.model import AuthParameters
from momentum_node.errors import ConfigurationError
from momentum_node.log import logger
from momentum_node.smtp.credentials import Users, parse_uri, parse_users
from momentum_node.smtp.sasl import Credentials


@dataclass(frozen=True, slots=True)
class _Read:
    stamp: tuple[int, int, int]
    users: Users


class UserStores:
    """All stores of a process, by their URI."""

    def __init__(self) -> None:
        self._read: dict[str, _Read] = {}

    async def check(self, parameters: AuthParameters, credentials: Credentials, hostname: str) -> bool | None:
        """Whether these are a user's; None when the store cannot be read (said in the log). `hostname`: the realm."""
        try:
            users = await asyncio.to_thread(self._users, parameters.uri)
        except (OSError, ConfigurationError, UnicodeDecodeError) as error:
            logger().error("a store of users cannot be used", uri=parameters.uri, reason=str(error))
            return None
        verdict = users.accept(credentials.user, credentials.password, parameters.realm or hostname)
        if parameters.log_authentication:
            logger().info("authentication", user=credentials.user, mechanism=credentials.mechanism, accepted=verdict)
        return verdict

    def _users(self, uri: str) -> Users:
        address = parse_uri(uri)
        path = Path(address.path)
        status = path.stat()
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        read = self._read.get(uri)
        if read is None or read.stamp != stamp:
            read = self._read[uri] = _Read(stamp, parse_users(path.read_text("utf-8"), address))
        return read.users
