"""A real kernel for tests: ipykernel in a process of its own, with a client that keeps every message of a cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from claude_magic.simulator import Simulator

GUARD_S = 60.0
Content = dict[str, Any]


@dataclass
class Cell:
    """What a cell brought: its messages on iopub, in order, and the reply."""

    messages: list[tuple[str, Content]] = field(default_factory=list)
    reply: Content = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Content]:
        return [content for one, content in self.messages if one == kind]

    @property
    def printed(self) -> str:
        return "".join(content["text"] for content in self.of("stream"))

    @property
    def updates(self) -> list[Content]:
        """Every bundle that was displayed, the later ones in the place of the first."""
        shown = ("display_data", "update_display_data")
        return [content["data"] for kind, content in self.messages if kind in shown]

    @property
    def display_ids(self) -> list[str]:
        """The ids of its displays that can be updated."""
        return [content["transient"]["display_id"] for content in self.of("display_data")]

    @property
    def result(self) -> str:
        """The cell's `Out`, as text; "" if there is none."""
        return "".join(content["data"]["text/plain"] for content in self.of("execute_result"))

    @property
    def error(self) -> str:
        """What a reader sees of the error, in whatever way it is shown; "" if there is none."""
        return "\n".join("\n".join(content["traceback"]) for content in self.of("error"))

    @property
    def text(self) -> str:
        """What stays below the cell, as plain text."""
        return self.updates[-1]["text/plain"] if self.updates else ""


class Kernel:
    """A started kernel.

    Args:
        manager: it.
        client: its client, with all channels open.
    """

    INTERRUPT = "\x03"
    """As an answer: interrupt the kernel instead of typing anything."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client
        self._displays: dict[str, Content] = {}

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)

    def start(self, code: str, *, stdin: bool = False, **options: Any) -> str:
        """Send a cell and return its id."""
        return str(self.client.execute(code, allow_stdin=stdin, **options))

    def run(
        self,
        code: str,
        *,
        answers: Sequence[str] | None = None,
        on: Callable[[str, Content], object] = lambda kind, content: None,
        **options: Any,
    ) -> Cell:
        """Run a cell to its end.

        Args:
            code: the cell.
            answers: what is typed when the cell asks; `None` is a front end that takes no input.
            on: called with each message of the cell on iopub, as it comes.
        """
        return self.follow(self.start(code, stdin=answers is not None, **options), answers or (), on)

    def follow(
        self,
        cell_id: str,
        answers: Sequence[str] = (),
        on: Callable[[str, Content], object] = lambda kind, content: None,
    ) -> Cell:
        """Wait for the end of a cell that was started."""
        cell = Cell()
        typed = iter(answers)
        deadline = time.monotonic() + GUARD_S
        while time.monotonic() < deadline:
            if self.client.stdin_channel.msg_ready():
                cell.questions.append(self.client.get_stdin_msg(timeout=1)["content"]["prompt"])
                answer = next(typed)
                if answer == self.INTERRUPT:
                    self.manager.interrupt_kernel()
                else:
                    self.client.input(answer)
            if not self.client.iopub_channel.msg_ready():
                time.sleep(0.005)
                continue
            message = self.client.get_iopub_msg(timeout=1)
            self._remember_display(message)
            if message["parent_header"].get("msg_id") != cell_id:
                continue
            kind, content = message["msg_type"], message["content"]
            cell.messages.append((kind, content))
            on(kind, content)
            if kind == "status" and content["execution_state"] == "idle":
                cell.reply = self._reply(cell_id)
                return cell
        raise TimeoutError(f"the cell did not end within {GUARD_S:g} s: {cell.messages[-5:]}")

    def display(self, cell: Cell) -> Content:
        """What stands below a cell now: a display may be updated when its cell is over."""
        return self._displays[cell.display_ids[0]]

    def _remember_display(self, message: Content) -> None:
        display_id = message["content"].get("transient", {}).get("display_id")
        if display_id:
            self._displays[display_id] = message["content"]["data"]

    def _reply(self, cell_id: str) -> Content:
        while True:
            reply = self.client.get_shell_msg(timeout=GUARD_S)
            if reply["parent_header"].get("msg_id") == cell_id:
                return dict(reply["content"])

    def value(self, expression: str) -> str:
        """The `repr` of an expression, in the kernel."""
        return self.run(expression).result

    def children(self) -> list[psutil.Process]:
        """The processes below the kernel."""
        return psutil.Process(self.pid).children(recursive=True)


def begin_cell(api: Simulator, folder: Path) -> str:
    """A first cell: the extension, and a client that asks this API and retries little."""
    return (
        "%load_ext claude_magic\n"
        "from claude_magic import PoolConfig, RetryPolicy, SessionConfig, get_client\n"
        "from claude_magic.config import SimulatedAPI\n"
        f"simulated = SimulatedAPI({api.url!r}, {str(folder / 'config')!r}, {api.key!r})\n"
        "client = get_client(config=SessionConfig(simulated=simulated),\n"
        "    pool=PoolConfig(prewarm=0), retry=RetryPolicy(max_retries=0))"
    )


@contextmanager
def running_kernel(environment: dict[str, str], folder: Path) -> Iterator[Kernel]:
    """Start a kernel, and end it and what it left at the end of the block."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=environment, cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=GUARD_S)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        manager.context.destroy()
