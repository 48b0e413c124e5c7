"""Notebooks that run with nobody watching: nbclient and papermill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claude_magic.rendering.footer import SIMULATED, unasked_notice

from .conftest import SETUP
from .lab import Surroundings

CELLS = [SETUP, "%%claude\nmake a file", "%%claude\na rich answer", "_claude.outcome"]


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path / "here")


@pytest.mark.parametrize("runner", ["nbclient", "papermill"])
def test_question_that_nobody_sees_is_denied(surroundings: Surroundings, runner: str) -> None:
    """The tool is denied and the cell says so, the answers are kept, and nothing hangs."""
    source = surroundings.write_notebook("run/in.ipynb", CELLS)
    target = source.with_name("out.ipynb")
    if runner == "nbclient":
        patience = (
            "--ExecutePreprocessor.iopub_timeout=60"  # on a busy machine the outputs may come later than the reply
        )
        surroundings.run(
            "jupyter", "nbconvert", "--execute", patience, "--to", "notebook", "--output", "out", str(source)
        )
    else:
        surroundings.run("papermill", "--cwd", str(source.parent), str(source), str(target))
    cells = json.loads(target.read_text(encoding="utf-8"))["cells"]
    shown = [json.dumps(cell["outputs"], ensure_ascii=False) for cell in cells]

    assert not (source.parent / "made.txt").exists()
    assert unasked_notice(["Bash"]) in shown[1]
    assert "The end of the rich answer." in shown[2]
    assert SIMULATED in shown[2]
    assert "success" in shown[3]
    assert "error" not in {output["output_type"] for cell in cells for output in cell["outputs"]}
