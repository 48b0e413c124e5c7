"""For a notebook's cells: the hostile corpus in the three homes of the view. Imported inside a kernel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from IPython import get_ipython
from IPython.display import display
from ipywidgets import VBox
from rendering.builders import message, response
from rendering.hostile import PAYLOADS, VARIANTS, fence
from rendering.random_texts import random_text
from rendering.test_hostile import hostile_questions, hostile_response

from claude_magic.display.live import LiveDisplay
from claude_magic.permissions import Decision, PermissionRequest
from claude_magic.rendering import MIME_TYPE, response_bundle
from claude_magic.response import AnswerSource
from claude_magic.strings import utf8_safe
from claude_magic.widgets.kernel_bridge import bridge_of
from claude_magic.widgets.viewer import StreamViewer

TEXTS_OF_AN_ANSWER = 10

_live: list[tuple[LiveDisplay, Any, list[Future[Decision]]]] = []


def begin_live(first: int, last: int) -> None:
    """Show runs that say payloads in every place and ask three questions, in the extension's live view."""
    for payload in PAYLOADS[first:last]:
        turn = hostile_response(payload)
        live = LiveDisplay(
            bridge_of(get_ipython().kernel),
            session=payload,
            model=payload,
            source=AnswerSource.SIMULATOR,
            mode=payload,
            on_stop=lambda: None,
            on_undo=lambda channel, dry_run: None,
        )
        live.begin()
        live.add(turn.messages)
        live.note(f"filled in: {payload}")
        given = {"command": payload, "description": payload, "file_path": payload, payload: payload}
        asked = [("Bash", given), (payload, given), ("AskUserQuestion", hostile_questions(payload))]
        waiting = [
            live.ask(PermissionRequest(payload, "turn", tool, about, f"asked {at}"))
            for at, (tool, about) in enumerate(asked)
        ]
        _live.append((live, turn, waiting))


def end_live() -> int:
    """End these runs; return how many questions had been answered before."""
    answered = sum(one.done() for _, _, waiting in _live for one in waiting)
    for at, (live, turn, _) in enumerate(_live):
        live.finish(turn, _facts(turn.session, refused=at % 2 == 0))
    return answered


def _facts(payload: str, refused: bool) -> Any:
    """What a run is told besides its messages, with payloads in it."""
    undo = {
        "files": [payload],
        "deleted": [payload],
        "insertions": 1,
        "deletions": 1,
        "done": False,
        "error": payload if refused else "",
    }
    return {"source": payload, "edits": 1, "undo": undo, "notice": payload}


def viewers(first: int, last: int) -> VBox:
    """Return the payloads in the widget."""
    made = []
    for payload in PAYLOADS[first:last]:
        made.append(StreamViewer("main"))
        run = response_bundle(hostile_response(payload))[MIME_TYPE]
        made[-1].show(utf8_safe({**run, **_facts(payload, refused=False), "mode": payload, "filled": payload}))
    return VBox(made)


def pages(first: int, last: int) -> None:
    """Show the payloads as the static HTML that a notebook keeps."""
    for payload in PAYLOADS[first:last]:
        display({"text/html": response_bundle(hostile_response(payload))["text/html"]}, raw=True)


def say(home: str, answers: Iterable[Sequence[str]]) -> VBox | None:
    """Show runs in one of the homes; the texts of an answer are parted by a thought."""
    bundles = [
        response_bundle(
            response(*(one for text in texts for one in (message("text", text), message("thinking", "and then"))))
        )
        for texts in answers
    ]
    if home == "widget":
        made = [StreamViewer("main") for _ in bundles]
        for viewer, bundle in zip(made, bundles, strict=True):
            viewer.show(utf8_safe(bundle[MIME_TYPE]))
        return VBox(made)
    kind = MIME_TYPE if home == "view" else "text/html"
    for bundle in bundles:
        display({kind: bundle[kind]}, raw=True)
    return None


def parted(texts: Sequence[str]) -> list[Sequence[str]]:
    """Divide texts among answers."""
    return [texts[at : at + TEXTS_OF_AN_ANSWER] for at in range(0, len(texts), TEXTS_OF_AN_ANSWER)]


def say_variants(home: str) -> VBox | None:
    """Show the variants of the corpus."""
    return say(home, parted(VARIANTS))


def say_at_random(home: str, first: int, count: int) -> VBox | None:
    """Show random texts."""
    return say(home, [[random_text(number)[0]] for number in range(first, first + count)])


def say_in_fences(home: str, names: list[str]) -> VBox | None:
    """Show fences that name each of these languages, and hold what would fetch or run if a renderer drew it."""
    return say(home, parted([fence(name, number) for number, name in enumerate(names)]))
