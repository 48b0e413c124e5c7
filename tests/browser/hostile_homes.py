"""For a notebook's cells: the hostile corpus in the three homes of the view. Imported inside a kernel."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from IPython import get_ipython
from IPython.display import display
from ipywidgets import VBox
from rendering.hostile import PAYLOADS
from rendering.test_hostile import hostile_response

from claude_magic.magics.live_screen import LiveScreen
from claude_magic.permissions import Decision, PermissionRequest
from claude_magic.rendering import MIME_TYPE, response_bundle
from claude_magic.widgets.hub import hub_of
from claude_magic.widgets.viewer import StreamViewer

_live: list[tuple[LiveScreen, Any, Future[Decision]]] = []


def begin_live(first: int, last: int) -> None:
    """Show runs that say payloads in every place and ask a question, in the extension's live view."""
    for payload in PAYLOADS[first:last]:
        turn = hostile_response(payload)
        screen = LiveScreen(
            hub_of(get_ipython().kernel),
            session=payload,
            model=payload,
            simulated=True,
            mode=payload,
            on_stop=lambda: None,
            on_undo=lambda channel, dry_run: None,
        )
        screen.begin()
        screen.add(turn.messages)
        given = {"command": payload, "description": payload, payload: payload}
        _live.append((screen, turn, screen.ask(PermissionRequest(payload, "turn", "Bash", given, "asked"))))


def end_live() -> int:
    """End these runs; return how many questions had been answered before."""
    answered = sum(waiting.done() for _, _, waiting in _live)
    for screen, turn, _ in _live:
        screen.finish(turn, {"filled": f"filled in: {turn.session}"})
    return answered


def viewers() -> VBox:
    """Return the payloads in the widget."""
    made = []
    for payload in PAYLOADS:
        made.append(StreamViewer("main"))
        made[-1].show(response_bundle(hostile_response(payload))[MIME_TYPE])
    return VBox(made)


def pages(first: int, last: int) -> None:
    """Show the payloads as the static HTML that a notebook keeps."""
    for payload in PAYLOADS[first:last]:
        display({"text/html": response_bundle(hostile_response(payload))["text/html"]}, raw=True)
