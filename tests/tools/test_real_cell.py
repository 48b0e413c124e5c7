"""A cell that runs while another one waits, in the shell of a terminal."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from claude_magic.kernel.real_cell import UnrunnableCellError, run_real_cell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Any]:
    shell = InteractiveShell(
        config=Config({"HistoryManager": {"enabled": False}}), ipython_dir=str(tmp_path / "ipython")
    )
    yield shell
    shell.restore_sys_module_state()
    shell.atexit_operations()
    atexit.unregister(shell.atexit_operations)


def test_value_is_the_output_without_the_prompt_of_a_terminal(shell: Any) -> None:
    found: list[Any] = []
    shell.user_ns["run"] = lambda source: found.append(run_real_cell(shell, source))
    shell.run_cell("run('a = 1\\na + 1')", store_history=True)
    shell.run_cell("'next'", store_history=True)

    outputs, number, failed = found[0]
    assert [output["output_type"] for output in outputs] == ["execute_result"]
    assert outputs[0]["data"] == {"text/plain": "2"}
    assert (number, failed) == (2, False)
    assert shell.user_ns["Out"] == {2: 2, 3: "next"}


@pytest.mark.parametrize(
    "source",
    ["%claude ask hi", "# first\n%%claude\nhi", "x = 1\n%claude ask hi", "answer = %claude ask hi", "await x()"],
)
def test_cells_that_prompt_or_await_are_not_run(shell: Any, source: str) -> None:
    with pytest.raises(UnrunnableCellError):
        run_real_cell(shell, source)
