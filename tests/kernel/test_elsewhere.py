"""The magics where there is no notebook page: papermill, and IPython in a terminal."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from kernels import GUARD_S, begin_cell

from claude_magic.cli.reaper import alive
from claude_magic.rendering.footer import SIMULATED, unasked_notice
from claude_magic.simulator import Simulator

pytestmark = pytest.mark.newest_cli


def test_papermill(environment: dict[str, str], api: Simulator, tmp_path: Path) -> None:
    """It runs to its end: answers stay in the notebook, a tool nobody can allow is denied, an error stops it."""
    prompts = ["%%claude\nhello", "%%claude --bg -s away -o run\nhello there", "run.result().turn"]
    cells = [begin_cell(api, tmp_path), *prompts, "%%claude\nmake the file nobody", "%claude nosuch", "1"]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, tmp_path / "in.ipynb")

    done = subprocess.run(
        [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "--no-progress-bar"],
        env=environment, cwd=tmp_path, capture_output=True, text=True,
        timeout=GUARD_S, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    executed = [cell for cell in nbformat.read(tmp_path / "out.ipynb", 4).cells if cell.cell_type == "code"]
    loaded, hello, away, _, denied, wrong, after = executed[-7:]
    assert loaded.outputs == []
    for cell, words in ((hello, "You said: hello"), (away, "→ run\n\nYou said: hello there")):
        [answer] = cell.outputs
        assert set(answer.data) == {"application/vnd.claude-magic.v1+json", "text/html", "text/plain"}
        assert answer.data["text/plain"].startswith(words)
    [refused] = denied.outputs
    assert all(unasked_notice(["Bash"]) in json.dumps(shown) for shown in refused.data.values())
    assert "%claude nosuch is unknown" in wrong.outputs[0].text
    assert after.outputs == []
    assert not (tmp_path / "nobody").exists()


class Terminal:
    """IPython in a process of its own, typed into by a pipe."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"],
            env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._pieces: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.shown = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while piece := os.read(self.process.stdout.fileno(), 65536):
            self._pieces.put(piece.decode())

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def until(self, words: str) -> str:
        """Return what was shown up to these words, waiting for them."""
        deadline = time.monotonic() + GUARD_S
        while words not in self.shown:
            try:
                self.shown += self._pieces.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{words!r} was not shown: {self.shown[-2000:]!r}") from None
        before, words, self.shown = self.shown.partition(words)
        return before + words

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def terminal(environment: dict[str, str], api: Simulator, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal with the extension loaded."""
    terminal = Terminal(environment, tmp_path)
    (tmp_path / "begin.py").write_text(begin_cell(api, tmp_path).partition("\n")[2])
    terminal.type("%load_ext claude_magic")
    terminal.type("%run -i begin.py")
    yield terminal
    terminal.close()


def test_a_terminal(terminal: Terminal) -> None:
    """The answer is printed as it comes; Ctrl-C keeps it and the session; the end leaves no process."""
    terminal.type("%claude ask hello there?")
    assert "You said: hello there?" in terminal.until(SIMULATED)

    terminal.type("%claude ask go on for long")
    assert "w2999" not in terminal.until("w20 ")
    terminal.process.send_signal(signal.SIGINT)
    stopped = terminal.until("KeyboardInterrupt: stopped; the text is kept")
    assert "Stopped by you." in stopped
    assert "Traceback" not in stopped

    terminal.type("%claude ask still there?")
    terminal.until("You said: still there?")
    terminal.type("%claude ask -m nosuch fail 404_model")
    failed = terminal.until("Models on offer")
    assert "ModelNotFoundError" in failed
    assert "Traceback" not in failed

    left = psutil.Process(terminal.process.pid).children(recursive=True)
    assert left != []
    terminal.type("exit")
    assert terminal.process.wait(GUARD_S) == 0
    deadline = time.monotonic() + 5
    while alive(left) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive(left) == []
