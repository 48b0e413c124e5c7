"""What the documents show as code: it runs from top to bottom, in one kernel for each document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kernels import running_kernel

from claude_magic.simulator import Simulator

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
GIVEN = "import pandas as pd\nsales = pd.DataFrame({'month': ['Jan', 'Feb', 'Mar'], 'sold': [100, 120, 180]})"
"""What the examples take for granted."""


def blocks(path: Path) -> list[tuple[str, str]]:
    """The code blocks of a document that run: Python, cells with magics, scenarios; each with its language."""
    found = FENCED.findall(path.read_text(encoding="utf-8"))
    return [(language, code) for language, code in found if language in ("python", "toml") or code.startswith("%")]


DOCUMENTS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if blocks(path)]


@pytest.mark.newest_cli
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_code_of_a_document_runs(path: Path, environment: dict[str, str], api: Simulator, tmp_path: Path) -> None:
    """Python and magics raise nothing and print or show something; the simulator takes a scenario."""
    account = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": api.key}
    with running_kernel(environment | account, tmp_path) as kernel:
        assert kernel.run(GIVEN).error == ""
        for language, code in blocks(path):
            if language == "toml":
                (tmp_path / "example.toml").write_text(code, encoding="utf-8")
                code = "%claude simulate on example.toml"
            asked = api.request_count
            cell = kernel.run(code.rstrip("\n"))

            assert cell.error == "", code
            if code.startswith("%%claude"):
                assert "You said:" in cell.text, code
                assert api.request_count > asked
            elif not code.startswith("%load_ext"):
                assert cell.printed or cell.updates, code


def test_documents_have_code() -> None:
    """The README shows how to load the magics, a prompt, a scenario and the client."""
    languages, codes = zip(*blocks(ROOT / "README.md"), strict=True)

    assert {"python", "toml"} <= set(languages)
    assert any(code.startswith("%load_ext claude_magic") for code in codes)
    assert any(code.startswith("%%claude") for code in codes)
