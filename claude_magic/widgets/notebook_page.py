"""`NotebookPage`: the open notebook, read and changed through the page that shows it."""

from __future__ import annotations

import hashlib
import secrets
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from comm import create_comm

from claude_magic.widgets.protocol import COMM_TARGET, VERSION, CellsReply

ANSWERS_WITHIN_S = 3.0
"""A page at rest answers within 0.1 s; one that was closed, or loaded again, never does."""

_MOST_REMEMBERED = 2000
_MOST_PAGES = 3


def version_of(source: str) -> str:
    """Return the version of a cell's source: equal texts have the same."""
    return hashlib.blake2b(source.encode(errors="replace"), digest_size=4).hexdigest()


class NotebookPage:
    """Asks the pages of one kernel for the cells of their notebook. May be used on any thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, Future[CellsReply]] = {}
        self._clients: dict[str, None] = {}
        self._moved: dict[str, str] = {}
        self._read: dict[tuple[str, str], str] = {}

    def note_client(self, client: str) -> None:
        """A page of the extension has spoken; after it was loaded again, it has another id."""
        self._clients.pop(client, None)
        self._clients[client] = None

    def note_moved(self, client: str, now: str) -> None:
        """A page was loaded again, and speaks by another id."""
        if client != now:
            self._moved[client] = now

    def others(self, client: str) -> list[str]:
        """Return the ids of the pages that have spoken, but for one; those that spoke last come first."""
        return [other for other in reversed(self._clients) if other != client][:_MOST_PAGES]

    def remember(self, cell: str, source: str) -> None:
        """Keep the source of a cell as the model has read it; an edit names the version that it changes."""
        if len(self._read) >= _MOST_REMEMBERED:
            self._read.pop(next(iter(self._read)))
        self._read[cell, version_of(source)] = source

    def source(self, cell: str, version: str) -> str | None:
        """Return the source of a cell in a version that the model has read; `None` if it has not."""
        return self._read.get((cell, version))

    def request(self, client: str, prompt_cell: str, operation: str, **fields: Any) -> Future[CellsReply]:
        """Ask for an operation on the cells; the future brings the answer, and is never done where no page answers.

        Args:
            client: id of the page's connection that ran the prompt's cell; with two windows only that one answers.
            prompt_cell: id of the prompt's cell.
            operation: "read", "insert", "update", "replace" or "delete".
            fields: what belongs to it; see `CellsRequest`.
        """
        token = secrets.token_urlsafe(18)
        answer = self._waiting[token] = Future()
        answer.add_done_callback(lambda done: self._waiting.pop(token, None))
        request = {
            "id": token,
            "client": self._moved.get(client, client),
            "prompt": prompt_cell,
            "operation": operation,
            **fields,
        }
        comm = create_comm(target_name=COMM_TARGET, data={"version": VERSION, "cells": request})
        answer.add_done_callback(lambda done: comm.close())
        return answer

    def receive(self, token: str, reply: Any) -> bool:
        """Take a page's answer; return whether it was waited for."""
        answer = self._waiting.get(token)
        if answer is None or answer.done() or not isinstance(reply, dict):
            return False
        answer.set_result(reply)  # type: ignore[arg-type]  # its fields are looked at where they are used
        return True


@dataclass(frozen=True)
class PromptCell:
    """The cell of a prompt, and the page that ran it.

    Attributes:
        page: asks the pages of the kernel.
        client: id of the page's connection.
        cell: id of the cell.
    """

    page: NotebookPage
    client: str
    cell: str
