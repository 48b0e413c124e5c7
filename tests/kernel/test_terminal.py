"""Terminal IPython, on a terminal of the test's own: the Tab key in a prompt."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

pytestmark = pytest.mark.newest_cli
ROOT = Path(__file__).parents[2]
GUARD_S = 60


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Any]:
    """IPython in a terminal, with the extension and a variable."""
    environment = {
        "HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm",
        "IPYTHONDIR": str(tmp_path / "ipython"), "PROMPT_TOOLKIT_NO_CPR": "1",
    }  # fmt: skip
    arguments = ["-m", "IPython", "--no-banner", "--no-confirm-exit", "--colors=NoColor", "--ext=claude_magic"]
    child = pexpect.spawn(
        sys.executable, arguments, env=environment, cwd=str(tmp_path), dimensions=(40, 120), encoding="utf-8",
        timeout=GUARD_S,
    )  # fmt: skip
    child.expect_exact("In [1]")
    child.send("sales_2026 = [1, 2]\r")
    child.expect_exact("In [2]")
    yield child
    child.close(force=True)


def test_tab_completes_an_option(terminal: Any) -> None:
    """The only one that fits is typed out; of several, each is shown with its help."""
    terminal.send("%%claude --mod\t")
    terminal.expect_exact("el")
    terminal.send(" --effort m\t")
    terminal.expect_exact("medium")


def test_tab_completes_a_name_in_braces(terminal: Any) -> None:
    """On a line of the magic; in prose there is nothing, and nothing is typed."""
    terminal.send("%claude ask how large is {sal\t")
    terminal.expect_exact("es_2026")
