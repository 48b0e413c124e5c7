"""The documents say what there is: options, commands, targets, modules, dependencies, version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import claude_magic
from claude_magic.magics.commands import COMMANDS
from claude_magic.magics.options import options_help

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "claude_magic"
BUILT = ("labextension", "__pycache__")


def section(title: str) -> str:
    """The README's text below a heading, up to the next one of the same level."""
    return re.split(r"^#{2,3} ", README, flags=re.MULTILINE)[
        [part.partition("\n")[0] for part in re.split(r"^#{2,3} ", README, flags=re.MULTILINE)].index(title)
    ]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_option_stands_in_the_readme() -> None:
    """Long and short, and none that does not exist."""
    there = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.sub(r"(?<=\S) {2,}.*", "", options_help())))
    told = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.sub(r"\|[^|]*\|$", "", table_of_options(), flags=re.M)))

    assert told == there


def table_of_options() -> str:
    return "\n".join(
        line for line in section("Options of `%%claude` and `%claude ask`").splitlines() if line.startswith("| `-")
    )


def test_every_command_stands_in_the_readme() -> None:
    """And none that does not exist."""
    told = set(re.findall(r"^\| .*?`%claude (\w+)", section("Commands of `%claude`"), flags=re.MULTILINE))

    assert told == set(COMMANDS)


def test_every_make_target_stands_in_the_readme() -> None:
    """And each says in one line what it does."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))

    assert targets >= {"lab", "demo", "test", "test-fast", "check", "bench", "wheel", "clean"}
    assert set(re.findall(r"^\| `make ([\w-]+)`", README, flags=re.MULTILINE)) == targets - {"help"}
    assert set(re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split()) == targets  # type: ignore[index]  # it is there


def test_every_module_stands_on_the_map() -> None:
    """Modules by name, packages with a slash."""
    told = section("The map of the house")
    there = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    there |= {f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir() and path.name not in BUILT}

    assert {name for name in there if not re.search(rf"(?<![\w/]){re.escape(name)}", told)} == set()


def test_every_dependency_has_its_reason() -> None:
    """What is installed by itself and what the extras bring; and nothing else is in the table."""
    facts = project()["project"]
    wanted = [*facts["dependencies"], *(name for extra in facts["optional-dependencies"].values() for name in extra)]
    rows = re.findall(r"^\| (`.*?) \|", section("What it depends on, and why"), flags=re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([\w-]+)`", re.sub(r"\(extra.*?\)", "", row))}

    assert told == {re.split(r"[<>=!~\[]", name)[0] for name in wanted}


def test_the_version_stands_in_one_place() -> None:
    """The package's; the changelog's newest entry has it, and no other file of the project."""
    newest = re.findall(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[0]

    assert newest == claude_magic.__version__
    assert project()["project"]["dynamic"] == ["version"]
    assert "version" not in project()["project"]
    assert claude_magic.__version__ not in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    """Files that a document links to, or names as a path in the project, are there."""
    written = (ROOT / name).read_text(encoding="utf-8")
    linked = [target for target in re.findall(r"\]\(([^)\s]+)\)", written) if "://" not in target]
    named = re.findall(r"(?<![\w/.*-])((?:docs|notebooks|tests|claude_magic)/[\w/]+\.\w+)", written)

    assert [target for target in [*linked, *named] if not (ROOT / target).exists()] == []


def test_the_first_python_example_uses_what_there_is() -> None:
    """Every name that it imports is public."""
    imported = re.findall(r"^from claude_magic import (.*)$", README, flags=re.MULTILINE)

    assert imported
    assert {name.strip() for line in imported for name in line.split(",")} <= set(claude_magic.__all__)
