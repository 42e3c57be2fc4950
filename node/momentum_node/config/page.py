"""What `config convert` writes on: lines, and the comments of the old file that still have to be put between them."""

from momentum_node.config.layout import Layout


class Page:
    """Lines of the answer, and the comments that still have to be put in."""

    def __init__(self, layout: Layout) -> None:
        self.lines: list[str] = []
        self._comments = layout.comments
        self._next = 0

    def put(self, line: str) -> None:
        self.lines.append(line)

    def space(self) -> None:
        """An empty line, but not two, and none at the beginning of a block."""
        if self.lines and self.lines[-1] and not self.lines[-1].endswith("{"):
            self.lines.append("")

    def comments_before(self, at: int, indent: str) -> None:
        while self._next < len(self._comments) and self._comments[self._next].at < at:
            comment = self._comments[self._next]
            self._next += 1
            if comment.trailing and "\n" not in comment.text and self.lines and self.lines[-1]:
                self.lines[-1] += f"  {comment.text}"
                continue
            if comment.spaced:
                self.space()
            self.put(indent + comment.text)

    def take(self, at: int, indent: str) -> list[str]:
        """The comments before a position, for somebody to put elsewhere; those behind something stay behind it."""
        taken = []
        while self._next < len(self._comments) and (comment := self._comments[self._next]).at < at:
            if comment.trailing:
                self.comments_before(comment.at + 1, indent)
            else:
                taken.append(comment.text)
                self._next += 1
        return taken

    def take_trailing(self, end: int, layout: Layout) -> list[str]:
        """The comment behind a statement that ends at `end`, in the same line."""
        comment = self._comments[self._next] if self._next < len(self._comments) else None
        if comment is None or not comment.trailing or layout.text(end, comment.at).strip():
            return []
        self._next += 1
        return [comment.text]

    def has_comment(self, start: int, end: int) -> bool:
        return any(start < comment.at < end for comment in self._comments[self._next : self._next + 1])

    def skip_comments(self, end: int) -> None:
        """What stands before `end` was copied already."""
        while self._next < len(self._comments) and self._comments[self._next].at < end:
            self._next += 1
