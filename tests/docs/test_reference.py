"""The reference is complete: whatever the code knows stands in it, with its meaning, and nothing else does."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import msgspec

import claude_magic
from claude_magic import Response
from claude_magic.magics.claude import ClaudeMagics
from claude_magic.magics.commands import COMMANDS
from claude_magic.magics.options import _PARSER
from claude_magic.recording.format import _Record
from claude_magic.records.frames import Frames
from claude_magic.records.plots import Plots
from claude_magic.rendering.bundle import run_data
from claude_magic.simulator import loading

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
INTERNAL = {"CLAUDE_MAGIC_OWNER", "CLAUDE_MAGIC_MCP_VALUE_"}
"""Variables with which the package's own processes know each other."""


def rows(table: str) -> list[list[str]]:
    """The cells of every row of the Markdown tables in a text, their heads left out."""
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in lines]


def test_every_option_is_there_with_its_meaning(tables: ModuleType) -> None:
    """Long and short names."""
    told = {
        name: meaning for names, meaning in rows(tables.options_table()) for name in re.findall(r"`(-[\w-]+)", names)
    }

    assert set(told) == set(_PARSER.flags)
    assert all(told.values())


def test_every_command_is_there_with_its_meaning(tables: ModuleType) -> None:
    """And its arguments."""
    told = dict(rows(tables.commands_table()))

    assert {name.split()[1].strip("`") for name in told} == set(COMMANDS)
    assert all(told.values())


def test_every_setting_is_there_with_its_default(tables: ModuleType) -> None:
    """The traits of the magics, and no others."""
    told = {row[0].strip("`"): row for row in rows(tables.settings_table())}
    own = {name for name, trait in ClaudeMagics.class_traits(config=True).items() if trait.this_class is ClaudeMagics}

    assert set(told) == own
    assert all(len(row) == 4 and all(row) for row in told.values())
    assert "Undefined" not in tables.settings_table()


def test_every_command_of_the_page_is_there(tables: ModuleType) -> None:
    """Those in menus, toolbars and shortcuts, and the settings."""
    assert set(tables.MEANINGS["lab"]) == set(tables.lab_commands())
    assert all(f"`{name}`" in tables.lab_tables() for name in [*tables.lab_commands(), *tables.LAB["properties"]])


def environment_reads() -> Iterator[str]:
    """The variables that the package reads from an environment, or names with its own prefix."""
    for path in (ROOT / "claude_magic").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from re.findall(r"^CLAUDE_MAGIC_[A-Z_]+$", node.value)
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr == "get" and "environ" in ast.unparse(called.value):
                names = [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
                yield from (name for name in names if str(name).isupper())


def test_every_environment_variable_is_there(tables: ModuleType) -> None:
    """Each that the package reads; each of ours that is named is really read."""
    told = {row[0].strip("`") for row in rows(tables.environment_tables())}
    read = set(environment_reads()) - INTERNAL

    assert read >= {"CLAUDE_MAGIC_CLI", "CLAUDE_MAGIC_SIMULATE", "CLAUDE_MAGIC_STATE_DIR", "PATH"}
    assert read - told == set()
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "claude_magic").rglob("*.py"))
    assert [name for name in told if name not in source] == []


def test_every_error_has_code_cause_and_cure(tables: ModuleType) -> None:
    """And no cure is left of an error that is gone."""
    told = rows(tables.errors_table())
    classes = tables.error_classes()

    assert [row[0] for row in told] == [f"`{kind.__name__}`<br>`{kind.code}`" for kind in classes]
    assert [kind.__name__ for kind in classes if not tables.cure_of(kind)] == []
    assert all(len(row) == 3 and all(row) for row in told)
    assert set(tables.MEANINGS["cures"]) <= {kind.code for kind in classes}


def public(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def test_every_column_of_every_frame_has_its_meaning(tables: ModuleType) -> None:
    """Of a client and of session files; what is said is said of a column that there is."""
    assert set(tables.FRAMES) == public(Frames)
    assert public(claude_magic.Transcripts) - {"iter_messages"} <= {*tables.FRAMES, *tables.FILE_FRAMES}
    for name, (_, schema, record) in {**tables.FRAMES, **tables.FILE_FRAMES}.items():
        known = tables.column_meanings(name, record)
        assert [column for column in schema if not known.get(column)] == [], name
        assert set(tables.MEANINGS["columns"].get(name, {})) <= set(schema), name
        shown = tables.frames_tables() + tables.file_frames_tables()
        assert all(f"| `{column}` |" in shown for column in schema)


def test_every_key_of_the_stored_output_has_its_meaning(tables: ModuleType) -> None:
    """The run as data, which JupyterLab draws."""
    assert set(tables.MEANINGS["output"]) == set(run_data(replace(Response("Hello"), session="main")))


def test_every_key_of_a_tape_and_of_a_scenario_has_its_meaning(tables: ModuleType) -> None:
    """As their readers know them."""
    assert set(tables.MEANINGS["tape"]) == {field.name for field in msgspec.structs.fields(_Record)}
    keys = loading._SCENARIO_KEYS | loading._RULE_KEYS | loading._STEP_KEYS | loading._PACE_KEYS
    assert set(tables.MEANINGS["scenario"]) == keys


def test_every_public_name_is_there(tables: ModuleType) -> None:
    """With its docstring, or in the table of errors; what a client has is there too."""
    told = (
        tables.api_sections() + tables.errors_table() + (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    )
    names = set(claude_magic.__all__) - set(tables._NOT_API)

    assert [name for name in names if not re.search(rf"\b{name}\b", told)] == []
    assert all(kind.__module__ + "." + kind.__name__ in told for kind in (Frames, Plots))
    assert all(inspect.getdoc(getattr(claude_magic, name)) for name in names)


def test_every_table_stands_on_a_page(tables: ModuleType) -> None:
    """And a page asks for none that there is not."""
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))

    assert set(re.findall(r"^```\{from-code\} (\w+)$", pages, flags=re.MULTILINE)) == set(tables.TABLES)
    assert all(make().strip() for make in tables.TABLES.values())
