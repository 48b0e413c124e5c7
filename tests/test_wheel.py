"""The wheel: everything a user needs is in it, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import claude_magic

ROOT = Path(__file__).resolve().parents[1]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input", "--no-cache-dir")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once, offline: the build backend comes from this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (path,) = folder.glob("*.whl")
    return path


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_everything_of_the_package_is_in_it(wheel: Path) -> None:
    """Every file of the source tree that is no left-over: modules, the type marker, scenarios."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "claude_magic").rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    # What the interpreter made, and what was built for JupyterLab, which goes where that looks for it.
    sources = {name for name in sources if not re.search(r"/__pycache__/|^claude_magic/labextension/", name)}

    assert sources <= inside
    assert "claude_magic/py.typed" in inside
    assert "claude_magic/simulator/scenarios/default.toml" in inside


def test_nothing_else_is_in_it(wheel: Path) -> None:
    """No tests, no notebooks, nothing built by the interpreter."""
    inside = zipfile.ZipFile(wheel).namelist()
    at_the_top = {name.split("/")[0].removeprefix(f"claude_magic-{claude_magic.__version__}") for name in inside}

    assert at_the_top <= {"claude_magic", ".dist-info", ".data"}
    assert [name for name in inside if name.endswith(".pyc") or "test" in name.lower()] == []


def test_it_says_what_it_is(wheel: Path) -> None:
    """Version, licence, the least Python, and the command."""
    archive = zipfile.ZipFile(wheel)
    info = f"claude_magic-{claude_magic.__version__}.dist-info"
    facts = HeaderParser().parsestr(archive.read(f"{info}/METADATA").decode())

    assert (facts["Version"], facts["Requires-Python"]) == (claude_magic.__version__, ">=3.11")
    assert facts["License-Expression"] == "BSD-3-Clause"
    assert f"{info}/licenses/LICENSE" in archive.namelist()
    assert "claude-magic = claude_magic.__main__:main" in archive.read(f"{info}/entry_points.txt").decode()


def test_it_installs_and_imports_without_its_dependencies(wheel: Path, tmp_path: Path) -> None:
    """`import claude_magic` needs the standard library only: what is heavy comes when it is used."""
    venv.create(tmp_path / "venv", with_pip=False)
    scripts = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    python = str(scripts / "python")

    _run(*PIP, "--python", python, "install", "--no-deps", "--no-index", str(wheel))

    assert _run(python, "-c", "import claude_magic; print(claude_magic.__version__)", cwd=tmp_path).strip() == (
        claude_magic.__version__
    )
    assert _run(str(scripts / "claude-magic"), "--version").strip() == f"claude_magic {claude_magic.__version__}"
