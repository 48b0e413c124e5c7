"""A kernel that is disturbed while Claude works for it: restarted, or its modules reloaded."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from kernels import GUARD_S, Kernel, begin_cell

from claude_magic.simulator import Simulator


def wait_for_a_question(kernel: Kernel) -> None:
    deadline = time.monotonic() + GUARD_S
    while not kernel.client.stdin_channel.msg_ready():
        assert time.monotonic() < deadline, "nothing was asked"
        time.sleep(0.01)
    kernel.client.get_stdin_msg(timeout=1)


@pytest.mark.parametrize("now", [False, True], ids=["asked", "forced"])
def test_restart_with_live_sessions_and_an_open_question(
    begin: Callable[[], tuple[Kernel, Path]], api: Simulator, now: bool
) -> None:
    """The old processes are gone, nothing runs that nobody allowed, and the new kernel prompts and resumes."""
    kernel, folder = begin()
    kernel.run("%claude ask -s quiet hello")
    conversation = kernel.value("client.get_session('quiet').session_id").strip("'")
    kernel.start("%claude ask -s asking make the file asked", stdin=True)
    wait_for_a_question(kernel)
    before = kernel.children()
    assert len([process for process in before if "claude" in " ".join(process.cmdline())]) >= 2

    kernel.manager.restart_kernel(now=now)
    _, left = psutil.wait_procs(before, timeout=5)
    kernel.client.wait_for_ready(timeout=GUARD_S)

    assert left == []
    assert not (folder / "asked").exists()
    assert kernel.run(begin_cell(api, folder)).error == ""
    assert kernel.run("%claude ask -s new hello again").text.startswith("You said: hello again")
    kernel.run(f"%claude resume {conversation}")
    assert kernel.run("%claude ask and now").text.startswith("You said: and now")
    asked = [request.body["messages"] for request in api.requests if request.prompt == "and now"][-1]
    assert "hello" in str(asked[0])


@pytest.mark.newest_cli
@pytest.mark.parametrize(
    "name",
    [
        "engine.session",
        "engine.managed_session",
        "engine.connection",
        "errors",
        "permissions",
        "cli.process",
        "magics.claude",
    ],
)
def test_module_that_is_reloaded_breaks_nothing(kernel: Kernel, name: str) -> None:
    """As `%autoreload 2` does it: a session from before and a new one answer, and a tool is asked about."""
    kernel.run("%claude ask -s before hello")
    reload = (
        f"from IPython.extensions.autoreload import superreload as again\nagain(sys.modules['claude_magic.{name}'])"
    )
    assert kernel.run(f"import sys\n{reload}").error == ""

    for session in ("before", "after"):
        cell = kernel.run(f"%claude ask -s {session} hello")
        assert cell.text.startswith("You said: hello"), cell.messages
    cell = kernel.run("%claude ask -s before make the file nobody", answers=["n"])
    assert (len(cell.questions), cell.error) == (1, "")
    assert kernel.run("%claude").error == ""
