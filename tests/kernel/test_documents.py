"""What the documents show as code: it runs from top to bottom, in one kernel for each document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kernels import Cell, running_kernel

from claude_magic.simulator import Simulator

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^(<!-- not run: .*? -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path) -> list[tuple[str, str]]:
    """The code blocks of a document that run: Python, cells with magics, scenarios; each with its language."""
    found = FENCED.findall(path.read_text(encoding="utf-8"))
    return [(language, code) for excuse, language, code in found if language in ("python", "toml") and not excuse]


DOCUMENTS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if blocks(path)]


@pytest.mark.newest_cli
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).with_suffix("").as_posix())
def test_code_of_a_document_runs(path: Path, environment: dict[str, str], api: Simulator, tmp_path: Path) -> None:
    """In one kernel for each document: nothing fails, a prompt is sent and answered, and a scenario is taken."""
    account = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": api.key}
    with running_kernel(environment | account, tmp_path) as kernel:
        for language, code in blocks(path):
            if language == "toml":
                (tmp_path / "example.toml").write_text(code, encoding="utf-8")
                code = "%claude simulate on example.toml\n%claude simulate off"
            asked = api.request_count
            cell = kernel.run(code.rstrip("\n"))

            assert cell.error == "", code
            if code.startswith("%%claude"):
                check_prompt(code, cell, api.request_count > asked)


def check_prompt(code: str, cell: Cell, was_sent: bool) -> None:
    """A prompt was answered, or, where it says so, shown, played or kept."""
    options = code.partition("\n")[0]
    if "--map" in options:
        assert was_sent
        assert " done; $" in cell.text, code
        return
    if "--dry-run" in options:
        assert not was_sent
        assert cell.printed
    elif "--bg" not in options and "--schema" not in options:
        assert re.search(r"You said:|simulated", cell.text), code


def test_documents_have_code() -> None:
    """The README shows how to load the magics, a prompt and a table; a guide shows a scenario, another the client."""
    codes = [code for path in DOCUMENTS for _, code in blocks(path)]

    assert any(code.startswith("%load_ext claude_magic") for code in codes)
    assert any(code.startswith("%%claude") for _, code in blocks(ROOT / "README.md"))
    assert {"python", "toml"} <= {language for path in DOCUMENTS for language, _ in blocks(path)}
    assert any("ClaudeClient(" in code for code in codes)
