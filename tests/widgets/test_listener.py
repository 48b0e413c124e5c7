"""What pages ask of a kernel before it has a bridge, and after."""

from __future__ import annotations

from typing import Any

from claude_magic.widgets.kernel_bridge import KernelBridge
from claude_magic.widgets.listener import Listener, bridge_of
from claude_magic.widgets.protocol import REQUEST, Request

from .stand_ins import FakeKernel


def answer(request: Request, client: str) -> dict[str, Any]:
    return {"found": True, "for": client} if request.get("action") == "names" else {}


async def test_first_request_makes_the_bridge(caplog: Any) -> None:
    """The bridge answers it, and takes the listener's place with what it answers; other requests are as before."""
    kernel = FakeKernel()
    Listener(kernel, answer)

    assert await kernel.control("page-2", action="names") == {"status": "ok", "found": True, "for": "page-2"}
    assert kernel.control_handlers[REQUEST].__self__ is bridge_of(kernel)  # type: ignore[attr-defined]
    assert await kernel.control(run="", action="runs") == {"status": "ok", "found": True, "runs": []}
    assert await kernel.control(version=0, action="names") == {"status": "ok", "found": False}


async def test_bridge_that_a_cell_made_answers_too() -> None:
    """Whichever comes first, the other one finds it."""
    first, second = FakeKernel(), FakeKernel()
    Listener(first, answer)
    bridge_of(first)
    KernelBridge(second)
    Listener(second, answer)

    assert (await first.control(action="names"))["for"] == "page-1"
    assert (await second.control(action="names"))["for"] == "page-1"


def test_it_leaves_nothing_behind() -> None:
    """Closed, it listens no more; a kernel without a control channel is left alone."""
    kernel = FakeKernel()
    Listener(kernel, answer).close()
    Listener(object(), answer).close()

    assert kernel.control_handlers == {}
