"""A kernel says that it is busy as long as a cell runs, whatever it answers meanwhile, and idle afterwards."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from kernels import GUARD_S, Content, Kernel

pytestmark = pytest.mark.newest_cli


def states_of(kernel: Kernel, code: str, *, controls: int, answered: Path | None = None) -> list[str]:
    """Run a cell, ask something on the control channel while it runs, and return every state in order.

    Args:
        kernel: where it runs.
        code: the cell.
        controls: how often something is asked.
        answered: a file that is made when all of it is answered and the kernel has said once more that it is busy.
    """
    states: list[str] = []
    cell_id = kernel.start(code)
    asked: list[str] = []
    deadline = time.monotonic() + GUARD_S
    while time.monotonic() < deadline:
        message = kernel.client.get_iopub_msg(timeout=GUARD_S)
        kind, about = message["msg_type"], message["parent_header"].get("msg_id")
        if kind == "status":
            states.append(message["content"]["execution_state"])
        if answered is not None and states.count("idle") == controls and states[-1] == "busy":
            answered.touch()
        is_begun = kind == "stream" or about in asked
        is_told = kind != "status" or message["content"]["execution_state"] == "idle"
        if len(asked) < controls and is_begun and is_told:
            request = kernel.client.session.msg("claude_magic_request", {"version": 1, "run": "", "action": "nothing"})
            asked.append(request["header"]["msg_id"])
            kernel.client.control_channel.send(request)
        if kind == "status" and about == cell_id and states[-1] == "idle":
            kernel.client.get_shell_msg(timeout=GUARD_S)
            return states
    raise TimeoutError(states)


def test_busy_while_a_cell_runs(kernel: Kernel, tmp_path: Path) -> None:
    """After each answer on the control channel the last word is busy; after the cell it is idle, and stays so."""
    kernel.run("%claude ask hello")  # what answers on the control channel comes with the first prompt
    end = tmp_path / "end"
    code = f"import os, time\nprint('begun', flush=True)\nwhile not os.path.exists({str(end)!r}): time.sleep(0.02)"
    states = states_of(kernel, code, controls=3, answered=end)

    assert states[-1] == "idle"
    assert states.count("idle") == 4
    assert all(after == "busy" for state, after in pairwise(states) if state == "idle")

    request = kernel.client.session.msg("claude_magic_request", {"version": 1, "run": "", "action": "nothing"})
    kernel.client.control_channel.send(request)
    after = [kernel.client.get_iopub_msg(timeout=GUARD_S)["content"]["execution_state"] for _ in range(2)]
    assert after == ["busy", "idle"]
    assert not kernel.client.iopub_channel.msg_ready()


def test_interrupted_cell_leaves_the_kernel_idle(kernel: Kernel) -> None:
    """However it ends, its own idle is the last word."""
    is_stopped = False

    def stop(kind: str, content: Content) -> None:
        nonlocal is_stopped
        if kind == "update_display_data" and not is_stopped:
            is_stopped = True
            kernel.manager.interrupt_kernel()

    kernel.run("%%claude\ngo on for long", on=stop)
    assert is_stopped

    request = kernel.client.session.msg("claude_magic_request", {"version": 1, "run": "", "action": "nothing"})
    kernel.client.control_channel.send(request)
    states = [kernel.client.get_iopub_msg(timeout=GUARD_S) for _ in range(2)]
    assert [message["content"].get("execution_state") for message in states] == ["busy", "idle"]


def test_prompt_shows_that_the_kernel_is_in_use(kernel: Kernel) -> None:
    """While nothing is said: busy in a cell, idle but in use when it runs in the background."""
    kernel.run("get_ipython().magics_manager.registry['ClaudeMagics'].context.runner.busy._beat_s = 0.2")
    states = states_of(kernel, "%%claude\ntake three seconds", controls=0)
    assert states.count("busy") >= 3
    assert (states.count("idle"), states[-1]) == (1, "idle")
