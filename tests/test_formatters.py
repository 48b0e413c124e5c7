"""Formatters of notebooks leave prompts as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROMPT = "%%claude -s analysis\nlook at  {sales} ,and say:what   sells\n\n- x=1\n"


def test_ruff_leaves_prompts_alone(tmp_path: Path) -> None:
    """It formats and mends the cells of Python around a prompt, and not the prompt."""
    cells = ["x=[ 1,2 ]", PROMPT, "%claude ask what is  x"]
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"language_info": {"name": "python"}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{at}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for at, source in enumerate(cells)
        ],
    }
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    for command in (["format"], ["check", "--fix", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(path)],
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    after = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert after == ["x = [1, 2]", PROMPT, "%claude ask what is  x"]
