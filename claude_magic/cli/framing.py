"""Chunks of a CLI's stdout and stderr to messages. No I/O."""

from __future__ import annotations

from collections import deque

from claude_magic.cli.decoder import Decoder
from claude_magic.errors import ProcessError, ProtocolError
from claude_magic.messages import Message, MessageType
from claude_magic.redaction import Redactor

_LINE_BYTES = 16 * 2**10
_LINES_A_TURN = 16
"""What one turn may write to stdout, in longest lines: 1 GiB, if nothing else is said."""
_STDERR_LINES = 1000
_STDERR_BYTES = 2**20
"""What is kept of a turn's stderr."""
_QUOTED_BYTES = 200
_TAIL_LINES = 50
_TAIL_CHARS = 8 * 2**10


class OutputFramer:
    """Chunks of stdout and stderr to messages, in the order they came. No I/O.

    Args:
        redactor: secrets of the launch.
        line_ceiling: longest line of stdout, in bytes.
    """

    def __init__(self, redactor: Redactor, line_ceiling: int) -> None:
        self.waiting: list[Message] = []
        self.failure: ProtocolError | ProcessError | None = None
        self.bytes_taken = 0
        self._redactor = redactor
        self._ceiling = line_ceiling
        self._decoder = Decoder(redactor)
        self._pieces: list[bytes] = []
        self._size = 0
        self._stderr_rest = b""
        self._since_result = 0
        self._stderr_lines = 0
        self._stderr_bytes = 0
        self._stderr_dropped = 0
        self._tail: deque[bytes] = deque(maxlen=_TAIL_LINES)

    @property
    def stderr_tail(self) -> str:
        """The last lines of stderr for people."""
        lines = [self._readable(line) for line in self._tail]
        if self._stderr_rest:
            lines.append(self._readable(self._stderr_rest, cut=True))
        return "\n".join(lines)[-_TAIL_CHARS:]

    def take(self) -> list[Message]:
        """Hand over what is waiting."""
        messages, self.waiting = self.waiting, []
        return messages

    def stdout(self, data: bytes, received: float) -> list[Message]:
        """Take a chunk; return its messages, which are also waiting from now on.

        A line may be spread over many chunks: its pieces are joined once, when its end is here.
        """
        self.bytes_taken += len(data)
        if self.failure is not None:
            return []
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._pieces:
            self._pieces.append(lines[0])
            lines[0] = b"".join(self._pieces)
            self._pieces = []
            self._size = 0
        if rest:
            self._pieces.append(rest)
            self._size += len(rest)
        if len(data) > self._ceiling or self._size > self._ceiling or (lines and len(lines[0]) > self._ceiling):
            lines = self._truncate_at_oversized(lines)
        self._since_result += len(data)
        if self._since_result > self._ceiling * _LINES_A_TURN:
            self.failure = ProtocolError(f"The CLI wrote more than {self._since_result >> 20} MB in one turn.")
        results = self._decoder.results
        messages = self._decoder.decode(lines, received)
        if self._decoder.results > results:
            self._turn_is_over(received)
        self.waiting += messages
        return messages

    def _turn_is_over(self, received: float) -> None:
        """Say how much of stderr is missing, and keep the next lines again."""
        if self._stderr_dropped:
            note = f"[{self._stderr_dropped} more lines of stderr were not kept]"
            self.waiting.append(Message(MessageType.STDERR, note, b"", received))
        self._since_result = self._stderr_lines = self._stderr_bytes = self._stderr_dropped = 0

    def stderr(self, data: bytes, received: float) -> None:
        """Take a chunk of stderr: the first lines of a turn are kept as messages, and the last ones for the tail."""
        self.bytes_taken += len(data)
        lines = (self._stderr_rest + data).split(b"\n")
        self._stderr_rest = lines.pop()[: _LINE_BYTES + 1]
        lines = [line[: _LINE_BYTES + 1] for line in lines if line.strip()]
        for line in lines:
            if self._stderr_lines >= _STDERR_LINES or self._stderr_bytes >= _STDERR_BYTES:
                self._stderr_dropped += 1
                continue
            self.waiting.append(Message(MessageType.STDERR, self._readable(line), line, received))
            self._stderr_lines += 1
            self._stderr_bytes += len(line)
        self._tail.extend(lines[-_TAIL_LINES:])

    def finish(self, received: float) -> None:
        """Take what has no line end and never will."""
        if self._pieces and self.failure is None:
            self.waiting += self._decoder.decode([b"".join(self._pieces)], received)
        if self._stderr_rest:
            self.stderr(b"\n", received)
        self._pieces = []
        self._turn_is_over(received)

    def _truncate_at_oversized(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines before the first that is too long; note the failure if there is one."""
        rest = b"".join(self._pieces)
        for index, line in enumerate([*lines, rest]):
            if len(line) > self._ceiling:
                start = self._readable(line[:_QUOTED_BYTES], cut=True)
                self.failure = ProtocolError(f"A line of the CLI is longer than {self._ceiling} bytes.", line=start)
                self._pieces = []
                return lines[:index]
        return lines

    def _readable(self, line: bytes, *, cut: bool = False) -> str:
        """A line for people: readable, redacted, of bearable length."""
        text = self._redactor.text(line[:_LINE_BYTES].decode("utf-8", "replace").rstrip())
        if not cut and len(line) <= _LINE_BYTES:
            return text
        # The cut may go through a secret: its beginning must not show.
        return text[: len(text) - self._redactor.unfinished(text)] + "..."
