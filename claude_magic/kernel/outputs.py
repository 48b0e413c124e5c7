"""The outputs of code as a notebook stores them: taken on their way to the page, and as a model is shown them."""

from __future__ import annotations

import base64
import io
import re
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from IPython.core.displaypub import DisplayPublisher

from claude_magic.values.content import Block, Content, cut_in_the_middle, scaled_picture, text_block
from claude_magic.values.pictures import media_type, pictures_of

Output = dict[str, Any]
"""One output in nbformat 4."""

LONGEST_TEXT = 10_000
"""Characters of text that the model is told of the outputs of one piece of code."""
MOST_PICTURES = 3
MOST_FIGURES = 20
_MOST_OUTPUTS = 1000
_MOST_TEXTS = 50
_LONGEST_PRINTED = 1_000_000
"""Characters that are kept of the beginning of what is printed, and of its end."""
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_TEXTS = ("text/markdown", "text/latex", "text/plain")


class OutputRecorder:
    """Takes outputs in the order in which they come; of very much only the first and the last part.

    Args:
        most_figures: figures that are drawn when the code is over; the others are closed, and counted.
    """

    def __init__(self, most_figures: int = MOST_FIGURES) -> None:
        self._outputs: list[Output] = []
        self._printed: list[_Printed] = []
        self._displays: dict[str, Output] = {}
        self._left_out = 0
        self._most_figures = most_figures
        self.is_over = False

    @property
    def outputs(self) -> list[Output]:
        """The outputs so far."""
        for printed in self._printed:
            printed.output["text"] = printed.text
        if not self._left_out:
            return list(self._outputs)
        words = f"… and {self._left_out:,} more outputs, which are left out\n"
        return [*self._outputs, {"output_type": "stream", "name": "stderr", "text": words}]

    def write(self, text: str, name: str = "stdout") -> None:
        """Add printed text; what follows on the same stream is one output."""
        last = self._outputs[-1] if self._outputs else {}
        if last.get("output_type") != "stream" or last["name"] != name:
            if not text or not self._add({"output_type": "stream", "name": name, "text": ""}):
                return
            self._printed.append(_Printed(self._outputs[-1]))
        self._printed[-1].write(text)

    def _add(self, output: Output) -> bool:
        if len(self._outputs) >= _MOST_OUTPUTS:
            self._left_out += 1
            return False
        self._outputs.append(output)
        return True

    def display(self, data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Add what `display` was given, or change what stands under the same display id."""
        shown: Output = {"output_type": "display_data", "data": _as_text(data), "metadata": dict(metadata or {})}
        display_id = str((options.get("transient") or {}).get("display_id") or "")
        if options.get("update") and display_id in self._displays:
            self._displays[display_id].update(data=shown["data"], metadata=shown["metadata"])
            return
        if display_id:
            self._displays[display_id] = shown
        self._add(shown)

    def result(self, data: Mapping[str, Any], number: int | None = None, metadata: Any = None) -> None:
        """Add the value of the last expression."""
        shown = {"data": _as_text(data), "metadata": dict(metadata or {}), "execution_count": number}
        self._add({"output_type": "execute_result", **shown})

    def error(self, name: str, words: str, traceback: list[str]) -> None:
        """Add an exception."""
        self._outputs.append({"output_type": "error", "ename": name, "evalue": words, "traceback": traceback})

    def clear(self) -> None:
        """Forget what there is."""
        self._outputs.clear()
        self._printed.clear()
        self._displays.clear()
        self._left_out = 0

    def add_figures(self, before: set[int]) -> None:
        """Add the figures of matplotlib that were drawn and not shown, and close them.

        Args:
            before: numbers of the figures that were there.
        """
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None:
            return
        numbers = [number for number in pyplot.get_fignums() if number not in before]
        try:
            for number in numbers[: self._most_figures]:
                self._draw(pyplot.figure(number))
            if len(numbers) > self._most_figures:
                self.write(f"{len(numbers) - self._most_figures} more figures were not drawn.\n", "stderr")
        finally:
            for number in numbers:
                pyplot.close(number)

    def _draw(self, figure: Any) -> None:
        try:
            for picture in pictures_of(figure, {}):
                self.display({media_type(picture): picture, "text/plain": "<Figure>"})
        except Exception as error:
            self.write(f"A figure cannot be drawn: {type(error).__name__}: {error}\n", "stderr")


class _Printed:
    """What was printed at one place: its beginning, and the end of the rest.

    Args:
        output: the output it belongs to.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._size = self._tail_size = self._left_out = 0

    def write(self, text: str) -> None:
        room = max(0, _LONGEST_PRINTED - self._size)
        self._size += len(text)
        if text[:room]:
            self._head.append(text[:room])
        if text[room:]:
            self._tail.append(text[room:][-_LONGEST_PRINTED:])
            self._left_out += len(text[room:]) - len(self._tail[-1])
            self._tail_size += len(self._tail[-1])
        while self._tail_size - len(self._tail[0] if self._tail else "") > _LONGEST_PRINTED:
            dropped = len(self._tail.popleft())
            self._tail_size -= dropped
            self._left_out += dropped

    @property
    def text(self) -> str:
        words = f"\n… [{self._left_out:,} characters left out] …\n" if self._left_out else ""
        return "".join([*self._head, words, *self._tail])


def open_figures() -> set[int]:
    """Return the numbers of the figures of matplotlib that are open."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot is not None else set()


def _as_text(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data with bytes in base64, as a notebook stores them."""
    return {
        kind: base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
        for kind, value in data.items()
    }


@contextmanager
def recording(shell: Any, recorder: OutputRecorder) -> Iterator[None]:
    """Have what the main thread prints and displays go to a recorder; other threads print where they did before.

    Args:
        shell: the IPython shell.
        recorder: takes it.
    """
    streams, publisher = (sys.stdout, sys.stderr), shell.display_pub
    sys.stdout, sys.stderr = _Tee(streams[0], recorder, "stdout"), _Tee(streams[1], recorder, "stderr")
    shell.display_pub = _Publisher(recorder)
    try:
        yield
    finally:
        recorder.is_over = True
        sys.stdout, sys.stderr = streams
        shell.display_pub = publisher


class _Tee(io.TextIOBase):
    """A stream whose text is recorded where the main thread writes it, until the code is over.

    A handler of `logging` that was made meanwhile keeps it, and writes for ever.
    """

    def __init__(self, before: Any, recorder: OutputRecorder, name: str) -> None:
        self._before = before
        self._recorder = recorder
        self._name = name

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if threading.current_thread() is threading.main_thread() and not self._recorder.is_over:
            self._recorder.write(text, self._name)
            return len(text)
        return int(self._before.write(text) or 0)

    def close(self) -> None:
        """Nothing: the page's own stream goes on."""

    def fileno(self) -> int:
        return int(self._before.fileno())

    def isatty(self) -> bool:
        return False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a class attribute there
        return getattr(self._before, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return getattr(self._before, "errors", None) or "strict"

    def flush(self) -> None:
        self._before.flush()

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._before, name)


class _Publisher(DisplayPublisher):  # type: ignore[misc]  # IPython publishes no types
    """Records what `display` is given."""

    def __init__(self, recorder: OutputRecorder) -> None:
        super().__init__()
        self._recorder = recorder

    def publish(self, data: Any, metadata: Any = None, **options: Any) -> None:
        self._recorder.display(data, metadata, **options)

    def clear_output(self, wait: bool = False) -> None:
        self._recorder.clear()


# ---- what a model is shown ----


def content_of_outputs(outputs: Iterable[Mapping[str, Any]], limit: int = LONGEST_TEXT) -> Content:
    """Return outputs as blocks for the model: texts and at most three pictures, in order; what is left out is said.

    Args:
        outputs: outputs in nbformat 4.
        limit: characters of all texts together.
    """
    parts = [part for output in _with_joined_streams(outputs) for part in _parts(output)]
    texts = [part for part in parts if isinstance(part, str)]
    room = max(200, limit // min(_MOST_TEXTS, max(1, len(texts)))) if sum(map(len, texts)) > limit else limit
    blocks: list[Block] = []
    left = pictures = 0
    for part in parts:
        if isinstance(part, bytes):
            pictures += 1
            blocks += [scaled_picture(part)] if pictures <= MOST_PICTURES else []
        elif sum(block["type"] == "text" for block in blocks) < _MOST_TEXTS:
            blocks.append(text_block(cut_in_the_middle(part, room)))
        else:
            left += 1
    if pictures > MOST_PICTURES:
        blocks.append(text_block(f"{pictures - MOST_PICTURES} more pictures were left out."))
    if left:
        blocks.append(text_block(f"{left} more outputs were left out."))
    return Content(blocks)


def _with_joined_streams(outputs: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield outputs with what was printed, on either stream, in one piece as it was printed."""
    for is_stream, group in groupby(outputs, key=lambda output: output.get("output_type") == "stream"):
        if is_stream:
            yield {"output_type": "stream", "text": "".join(plain_text(output.get("text")) for output in group)}
        else:
            yield from group


def _parts(output: Mapping[str, Any]) -> Iterator[str | bytes]:
    kind = output.get("output_type")
    if kind == "stream":
        yield plain_text(output.get("text"))
    elif kind == "error":
        yield plain_text(output.get("traceback") or f"{output.get('ename')}: {output.get('evalue')}", "\n")
    else:
        data = output.get("data") or {}
        for picture in _PICTURES:
            if picture in data:
                yield base64.b64decode(plain_text(data[picture]))
                return
        text = next((plain_text(data[text]) for text in _TEXTS if data.get(text)), "")
        yield text or f"[{', '.join(map(str, data))}]"


def plain_text(value: Any, join: str = "") -> str:
    """Return a text that nbformat stores whole or in lines, without colour codes."""
    text = join.join(map(str, value)) if isinstance(value, list) else str(value or "")
    return _ANSI.sub("", text)
