"""For the benchmark `view`: ways to show sessions that stream. Runs inside a kernel."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from IPython import get_ipython
from IPython.display import Markdown, display

from claude_magic import ClaudeClient, Response, get_client
from claude_magic.display.live import LiveDisplay
from claude_magic.messages import Batch, MessageType
from claude_magic.response import AnswerSource
from claude_magic.widgets.kernel_bridge import bridge_of
from claude_magic.widgets.viewer import StreamViewer

PROMPT = "Go."
IDLE_S = 0.05
LOADS_S = 1.0


def show(way: str, count: int) -> None:
    """Show sessions while they stream, one of `WAYS`, and print what it took of this process as JSON.

    Args:
        way: its name.
        count: how many sessions.
    """
    client = get_client()
    names = [client.create_session().name for _ in range(count)]  # new ones: old viewers still follow theirs
    for name in names:
        client.execute(name, PROMPT)  # what comes first is not what is measured
    pieces: list[int] = []

    def count_pieces(batch: Batch) -> None:
        pieces.append(sum(message.type is MessageType.TEXT for message in batch.messages))

    client.observers.append(count_pieces)
    cpu_s = WAYS[way](client, names)
    client.observers.remove(count_pieces)
    for name in names:
        client.close_session(name)
    print(json.dumps({"cpu_s": cpu_s, "pieces": sum(pieces)}))


def cell(client: ClaudeClient, names: list[str]) -> float:
    """Show one as its user does: in a cell."""
    started = time.process_time()
    for name in names:
        get_ipython().run_cell_magic("claude", f"-s {name}", PROMPT)
    return time.process_time() - started


def cells(client: ClaudeClient, names: list[str]) -> float:
    """Show each in a live view of its own; a kernel runs no two cells at once, so here one cell stands for many."""
    started = time.process_time()
    bridge = bridge_of(get_ipython().kernel)
    displays = {
        name: LiveDisplay(
            bridge, session=name, model="", source=AnswerSource.MODEL, mode="default",
            on_stop=lambda: None, on_undo=lambda channel, dry_run: None,
        )
        for name in names
    }  # fmt: skip
    for shown in displays.values():
        shown.begin()
    answers = [client.submit(name, PROMPT) for name in names]
    for batch in batches(client, answers):
        if batch is not None:
            displays[batch.session].add(batch.messages)
        for shown in displays.values():
            shown.refresh()
    for name, answer in zip(names, answers, strict=True):
        displays[name].finish(answer.result(), {})
    return time.process_time() - started


def grid(client: ClaudeClient, names: list[str]) -> float:
    """Show each in a viewer, side by side."""
    display(StreamViewer.grid(*names, client=client, columns=4))
    time.sleep(LOADS_S)  # the page loads them meanwhile
    started = time.process_time()
    for answer in [client.submit(name, PROMPT) for name in names]:
        answer.result()
    return time.process_time() - started


def updated_display(client: ClaudeClient, names: list[str]) -> float:
    """Show each in a display that gets all its Markdown again with every piece."""
    started = time.process_time()
    texts = dict.fromkeys(names, "")
    displays = {name: display(Markdown(""), display_id=True) for name in names}
    for batch in batches(client, [client.submit(name, PROMPT) for name in names]):
        if batch is None:
            continue
        for message in batch.messages:
            if message.type is MessageType.TEXT:
                texts[batch.session] += message.text
                displays[batch.session].update(Markdown(texts[batch.session]))
    return time.process_time() - started


WAYS: dict[str, Callable[[ClaudeClient, list[str]], float]] = {
    "cell": cell, "cells": cells, "grid": grid, "display": updated_display,
}  # fmt: skip
"""Each returns the seconds of processor time it took."""


def batches(client: ClaudeClient, answers: list[Future[Response]]) -> Iterator[Batch | None]:
    """Yield what the sessions say until they have answered; `None` where they were silent for a while."""
    waiting: queue.Queue[Batch] = queue.Queue()
    client.observers.append(waiting.put)
    while not all(answer.done() for answer in answers) or not waiting.empty():
        try:
            yield waiting.get(timeout=IDLE_S)
        except queue.Empty:
            yield None
    client.observers.remove(waiting.put)
