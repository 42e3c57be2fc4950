"""One SMTP connection, line by line: what is said, and the last line of each answer."""

import asyncio
from typing import Self


class Talk:
    """`await Talk.to(port)`, then `await say("NOOP")`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.greeting = ""

    @classmethod
    async def to(cls, port: int, address: str = "127.0.0.1", source: str | None = None) -> Self:
        """Connected and greeted. Raises `OSError`."""
        local = None if source is None else (source, 0)
        made = cls(*await asyncio.open_connection(address, port, local_addr=local))
        made.greeting = await made.hear()
        return made

    async def hear(self) -> str:
        """The last line of the next answer; "" when the server closed."""
        while True:
            line = (await asyncio.wait_for(self._reader.readline(), 20)).decode()
            if line[3:4] != "-":
                return line.rstrip()

    def write(self, text: str) -> None:
        """Say one line, or several with CRLF between them."""
        self._writer.write(text.encode() + b"\r\n")

    async def say(self, text: str) -> str:
        """As `write`, and hear one answer."""
        self.write(text)
        return await self.hear()

    async def lines(self) -> list[str]:
        """All lines of the next answer, without their code."""
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            lines.append((await asyncio.wait_for(self._reader.readline(), 20)).decode().rstrip())
        return [line[4:] for line in lines]

    async def offers(self) -> list[str]:
        """The lines of the answer to EHLO."""
        self.write("EHLO pc7")
        return await self.lines()

    async def begins(self, sender: str = "a@x.test") -> list[str]:
        """Everything up to the answer to DATA."""
        return [await self.say(line) for line in (f"MAIL FROM:<{sender}>", "RCPT TO:<b@y.test>", "DATA")]

    async def ends(self, subject: str) -> str:
        """The content, and what became of it."""
        return await self.say(f"Subject: {subject}\r\nFrom: <a@x.test>\r\n\r\nhello\r\n.")

    async def is_over(self) -> bool:
        """The server says no more and closes."""
        rest = await asyncio.wait_for(self._reader.read(), 20)
        self.close()
        return rest == b""

    def close(self) -> None:
        """Go away."""
        self._writer.close()
