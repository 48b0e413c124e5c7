"""Stand-ins for what a kernel gives: comms that remember what was sent, a kernel with control handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from claude_magic.widgets import kernel_bridge, notebook_page, run_channel
from claude_magic.widgets.protocol import REPLY, REQUEST, VERSION


class FakeComm:
    """A comm to a page: what was sent on it, and a way to say something back."""

    def __init__(self, target_name: str, data: dict[str, Any]) -> None:
        self.target_name = target_name
        self.data = data
        self.sent: list[dict[str, Any]] = []
        self.closed = False
        self.hear: Callable[[dict[str, Any]], Any] = lambda message: None
        self._reply_subshell_for: Callable[..., Any] = lambda data, default: "the shell that published last"

    def send(self, message: dict[str, Any]) -> None:
        assert not self.closed, "sent on a closed comm"
        self.sent.append(message)

    def on_msg(self, hear: Callable[[dict[str, Any]], Any]) -> None:
        self.hear = hear

    def close(self) -> None:
        self.closed = True

    def say(self, **request: Any) -> Any:
        """Send a request of the page."""
        return self.hear({"content": {"data": {"version": VERSION, **request}}})


class FakeComms(list[FakeComm]):
    """Takes the place of `create_comm`; `on_open` is what the pages do about a new one."""

    def __init__(self) -> None:
        super().__init__()
        self.on_open: Callable[[FakeComm], Any] = lambda comm: None

    @classmethod
    def installed(cls, monkeypatch: pytest.MonkeyPatch) -> FakeComms:
        """Comms that the bridge opens from now on; nobody is waited for."""
        made = cls()
        for module in (kernel_bridge, notebook_page, run_channel):
            monkeypatch.setattr(module, "create_comm", made.create)
        monkeypatch.setattr(kernel_bridge, "EXTENSION_TIMEOUT_S", 0.02)
        monkeypatch.setattr(kernel_bridge, "WIDGET_TIMEOUT_S", 0.02)
        return made

    def create(self, target_name: str, data: dict[str, Any]) -> FakeComm:
        self.append(FakeComm(target_name, data))
        self.on_open(self[-1])
        return self[-1]


class FakeLink:
    """A transport that remembers: `opened` times, and what was sent."""

    def __init__(self) -> None:
        self.opened = 0
        self.sent: list[dict[str, Any]] = []

    def open(self, run: str, receive: Callable[..., Any]) -> None:
        self.opened += 1

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def ops(self) -> list[Any]:
        """All operations sent, in order."""
        return [op for message in self.sent if message["type"] == "ops" for op in message["ops"]]


class FakeKernel:
    """As much of an ipykernel as the bridge needs."""

    def __init__(self, client: str = "page-1", takes_input: bool = True) -> None:
        self.control_handlers: dict[str, Callable[..., Any]] = {}
        self.parent: dict[str, Any] = {"header": {"session": client}, "content": {"allow_stdin": takes_input}}
        self.replies: list[dict[str, Any]] = []
        self.session = self

    def get_parent(self) -> dict[str, Any]:
        return self.parent

    def send(self, stream: Any, kind: str, content: dict[str, Any], parent: dict[str, Any], ident: Any) -> None:
        assert kind == REPLY
        self.replies.append(content)

    async def control(self, client: str = "page-1", **request: Any) -> dict[str, Any]:
        """Send a control message as a page, and return the acknowledgement."""
        content = {"version": VERSION, **request}
        await self.control_handlers[REQUEST](None, [b"page"], {"header": {"session": client}, "content": content})
        return self.replies[-1]
