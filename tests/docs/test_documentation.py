"""The documents: links lead somewhere, code is run or says why not, and what they list is what there is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import claude_magic

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "claude_magic"
BUILT = ("labextension", "__pycache__")
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
PAGES = [path for path in DOCUMENTS if path.parent.name in ("start", "guides", "background") and path.stem != "index"]
RUN = ("python", "toml")
"""Code in these languages is run by tests/kernel/test_documents.py."""
NOT_CODE = ("text", "{toctree}", "{from-code}")

by_name = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def text_of(*names: str) -> str:
    return ROOT.joinpath(*names).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    return tomllib.loads(text_of("pyproject.toml"))


@by_name
def test_links_lead_somewhere(path: Path) -> None:
    """Files that a document links to, or names as a path in the project, are there."""
    written = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    linked = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", written) if "://" not in target]
    named = re.findall(r"(?<![\w/.*-])((?:docs|notebooks|tests|claude_magic)/[\w/]+\.\w+)", written)
    pictures = re.findall(r'src(?:set)?="([^"]+)"', written)

    assert [target for target in [*linked, *pictures] if not (path.parent / target).exists()] == []
    assert [target for target in named if not (ROOT / target).exists()] == []


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """The language of each fenced block, and the line before it."""
    before = ""
    fence = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if fence:
            fence = "" if line.strip() == fence else fence
        elif match := re.match(r"(```+)(\S*)", line):
            fence = match[1]
            yield match[2], before
        before = line or before


@by_name
def test_code_is_run_or_says_why_not(path: Path) -> None:
    """Every block of code: by a test, or a comment before it has the reason."""
    if path.name in ("README.md", "CONTRIBUTING.md") and path.parent == ROOT:
        languages = {language for language, _ in blocks(path)}
        assert languages <= {*RUN, "console", "text"}
        return
    silent = [
        language
        for language, before in blocks(path)
        if language not in (*RUN, *NOT_CODE) and not re.match(r"<!-- not run: .+ -->$", before)
    ]

    assert silent == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_one_screen_to_five(path: Path) -> None:
    """It has a title, says its subject in the first paragraph, and can be read in one go."""
    written = path.read_text(encoding="utf-8")

    assert re.match(r"# .+\n\n\S", written)
    assert 60 <= len(written.split()) <= 1_500
    assert (
        len(re.findall(r"^# ", re.sub(r"^```.*?^```$", "", written, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)) == 1
    )


def test_the_readme_is_short() -> None:
    """About 500 words, its code included."""
    assert 400 <= len(text_of("README.md").split()) <= 620


def test_the_readme_uses_what_there_is() -> None:
    """Every file, target and extra that it names."""
    readme = text_of("README.md")
    extras = set(project()["project"]["optional-dependencies"])

    assert set(",".join(re.findall(r"claude_magic\[([\w,-]+)\]", readme)).split(",")) <= extras
    assert set(re.findall(r"\bmake ([a-z-]+)\b", readme)) >= {"lab", "docs"}


def test_every_make_target_is_told() -> None:
    """Each says in one line what it does, and has a row in CONTRIBUTING.md."""
    makefile = text_of("Makefile")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))

    assert targets >= {"lab", "demo", "test", "test-fast", "check", "docs", "bench", "wheel", "clean"}
    assert set(re.findall(r"^\| `make ([\w-]+)`", text_of("CONTRIBUTING.md"), flags=re.MULTILINE)) == targets - {"help"}
    assert set(re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split()) == targets  # type: ignore[index]  # it is there


def test_every_module_stands_on_the_map() -> None:
    """Modules by name, packages with a slash."""
    told = text_of("docs", "background", "how_it_works.md").partition("## The map of the house")[2]
    there = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    there |= {f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir() and path.name not in BUILT}

    assert {name for name in there if not re.search(rf"(?<![\w/]){re.escape(name)}", told)} == set()


def test_every_dependency_has_its_reason() -> None:
    """What is installed by itself and what the extras bring, and nothing else; what builds this is named below."""
    facts = project()
    table, _, below = text_of("docs", "background", "dependencies.md").partition("\nThis site is built")
    extras = facts["project"]["optional-dependencies"].values()
    wanted = [*facts["project"]["dependencies"], *(name for extra in extras for name in extra)]
    rows = re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([\w-]+)`", re.sub(r"\(extra.*?\)", "", row))}

    assert told == {re.split(r"[<>=!~\[]", name)[0] for name in wanted}
    building = {re.split(r"[<>=!~\[]", name)[0] for name in facts["dependency-groups"]["docs"]}
    assert building <= set(re.findall(r"`([\w-]+)`", below))


def test_the_version_stands_in_one_place() -> None:
    """The package's; the changelog's newest entry has it, and no other file of the project."""
    newest = re.findall(r"^## \[(\d.*?)\]", text_of("CHANGELOG.md"), flags=re.MULTILINE)[0]

    assert newest == claude_magic.__version__
    assert project()["project"]["dynamic"] == ["version"]
    assert "version" not in project()["project"]
    assert claude_magic.__version__ not in text_of("Makefile")


def test_every_tutorial_is_listed() -> None:
    """Each notebook has a place on the page of tutorials."""
    listed = set(text_of("docs", "tutorials", "index.md").split())

    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} <= listed
