"""The tables of the reference, as Markdown, made from the code; a page has them where it says `{from-code} NAME`."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import UnionType
from typing import Any

import docstring_parser
from traitlets import Bool, Enum, Float, Integer, List, TraitType, Unicode

import claude_magic
from claude_magic import errors
from claude_magic.engine.session_info import SessionInfo
from claude_magic.magics import options
from claude_magic.magics.claude import ClaudeMagics
from claude_magic.magics.commands import GROUPS
from claude_magic.magics.filters import FILE_FILTERS_HELP, FILTERS_HELP
from claude_magic.records import columns
from claude_magic.records.kernel_changes import CellChange, VariableChange
from claude_magic.records.log import LogEntry
from claude_magic.records.message_records import MessageRecord
from claude_magic.records.metrics import Stats
from claude_magic.records.spans import SpanRecord
from claude_magic.records.tool_uses import ToolRecord
from claude_magic.rendering.footer import advice_for
from claude_magic.transcripts.columns import PROBLEMS, USAGE

ROOT = Path(__file__).resolve().parents[1]
MEANINGS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("meanings.toml").read_text(encoding="utf-8"))

LAB: dict[str, Any] = json.loads((ROOT / "labextension" / "schema" / "view.json").read_text(encoding="utf-8"))
"""The settings of the JupyterLab extension."""

FRAMES: dict[str, tuple[str, columns.Schema, type | None]] = {
    "turns": ("finished turn", columns.TURNS, None),
    "tools": ("tool use", columns.TOOLS, ToolRecord),
    "messages": ("message that a person would read", columns.MESSAGES, MessageRecord),
    "spans": ("stretch of a turn's time", columns.SPANS, SpanRecord),
    "sessions": ("session", columns.SESSIONS, SessionInfo),
    "variables": ("variable that a turn made, changed or deleted in the kernel", columns.VARIABLES, VariableChange),
    "cells": ("cell that a turn added, edited or deleted", columns.CELLS, CellChange),
    "logs": ("log entry", columns.LOGS, LogEntry),
    "log_summary": ("session", columns.LOG_SUMMARY, None),
    "metrics": ("client: a single row", columns.METRICS, Stats),
}
"""Each frame of `client.frames`: what a row is, its columns, and the record whose docstring explains them."""
FILE_FRAMES: dict[str, tuple[str, columns.Schema, type | None]] = {
    "usage": ("API message", USAGE, None),
    "problems": ("line or file that could not be used", PROBLEMS, None),
}
"""What `read_transcripts()` has besides."""

API_GROUPS = {
    "Clients": ("ClaudeClient", "AsyncClaudeClient", "get_client", "BackgroundRun"),
    "Settings": ("SessionConfig", "PoolConfig", "RetryPolicy", "SimulatedAPI"),
    "Sessions and answers": (
        "Session", "SessionInfo", "SessionState", "Response", "Outcome", "AnswerSource", "Usage",
        "Message", "MessageType",
    ),
    "Permissions": ("PermissionRequest", "Allow", "Deny", "Rewind"),
    "Tools": ("tool", "ToolServer", "ToolInfo"),
    "Records": ("Stats", "History", "Transcripts", "read_transcripts", "TapeReplayer"),
    "Widgets": ("StreamViewer",),
}  # fmt: skip
"""Where each public name stands; one that is in no group comes last. `client.frames` and `.plots` are added."""
_MEMBERS_ELSEWHERE = {
    "Records": ("claude_magic.records.frames.Frames", "claude_magic.records.plots.Plots"),
}
_NOT_API = ("__version__", "load_ipython_extension", "unload_ipython_extension")


# ---- the magics ----


def options_table() -> str:
    """Return the options of `%%claude`, as the parser knows them; a group of it becomes a heading."""
    parser = options._parser()
    groups = [group for group in parser._action_groups if group._group_actions]
    pieces = []
    for group in groups:
        if len(groups) > 1 and group.title:
            pieces.append(f"### {group.title[0].upper()}{group.title[1:]}")
        pieces.append(_table(("option", "meaning"), map(_option_row, group._group_actions)))
    return "\n\n".join(pieces)


def _option_row(action: argparse.Action) -> tuple[str, str]:
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    names = ", ".join(f"`{name}`" for name in action.option_strings[:-1])
    last = f"`{action.option_strings[-1]}{' ' + metavar if metavar else ''}{' …' if action.nargs == '+' else ''}`"
    return (f"{names}, {last}" if names else last), _sentence(action.help or "")


def commands_table() -> str:
    """Return the commands of `%claude`, in their groups."""
    pieces = []
    for title, commands in GROUPS.items():
        rows = [(f"`%claude {command.usage}`", _sentence(command.help)) for command in commands.values()]
        pieces.append(f"### {title}\n\n{_table(('command', 'what it does'), rows)}")
    return "\n\n".join(pieces)


def filters_text() -> str:
    """Return the filters of the commands that answer with a table."""
    return f"```text\nFILTERS              {FILTERS_HELP}\nof `transcripts`     {FILE_FILTERS_HELP}\n```"


def settings_table() -> str:
    """Return the settings of `%config ClaudeMagics`, from its traits."""
    traits = ClaudeMagics.class_traits(config=True)
    own = {name: trait for name, trait in traits.items() if trait.this_class is ClaudeMagics}
    rows = [(f"`{name}`", f"`{_default(trait)!r}`", _values(trait), trait.help) for name, trait in own.items()]
    return _table(("setting", "default", "may be", "meaning"), rows)


def _default(trait: TraitType[Any, Any]) -> Any:
    value = trait.default()
    return str(value) if isinstance(value, str) else value


def _values(trait: TraitType[Any, Any]) -> str:
    if isinstance(trait, Enum):
        return ", ".join(f"`{str(value)!r}`" for value in trait.values or ())
    kinds = {
        Bool: "`True`, `False`",
        Integer: "a whole number",
        Float: "a number",
        Unicode: "text",
        List: "a list of texts",
    }
    return next((words for kind, words in kinds.items() if isinstance(trait, kind)), type(trait).__name__.lower())


def environment_tables() -> str:
    """Return the environment variables, by what they are for."""
    titles = {
        "yours": "For you to set",
        "account": "The CLI's account",
        "system": "Where files are",
        "set": "What the CLI is given",
    }
    pieces = []
    for role, title in titles.items():
        known = {name: one for name, one in MEANINGS["environment"].items() if one["role"] == role}
        rows = [(f"`{name}`", one["text"]) for name, one in known.items()]
        pieces.append(f"## {title}\n\n{_table(('variable', 'what it does'), rows)}")
    return "\n\n".join(pieces)


def lab_tables() -> str:
    """Return the commands and the settings of the JupyterLab extension, from its schema."""
    told = MEANINGS["lab"]
    keys = {entry["command"]: " ".join(entry["keys"]) for entry in LAB["jupyter.lab.shortcuts"]}
    commands = [(told[name], f"`{keys[name]}`" if name in keys else "", f"`{name}`") for name in lab_commands()]
    settings = [
        (f"{entry['title']} (`{name}`)", f"`{json.dumps(entry['default'])}`", entry["description"])
        for name, entry in LAB["properties"].items()
    ]
    heads = ("what it does", "key, outside of a cell", "command"), ("setting", "default", "meaning")
    return f"{_table(heads[0], commands)}\n\n{_table(heads[1], settings)}"


def lab_commands() -> list[str]:
    """Return the commands that the extension puts into menus, toolbars and shortcuts, each once."""
    bars = [entry for name in ("toolbars", "menus") for part in LAB[f"jupyter.lab.{name}"].values() for entry in part]
    return list(dict.fromkeys(entry["command"] for entry in [*bars, *LAB["jupyter.lab.shortcuts"]]))


# ---- errors ----


def error_classes() -> list[type[errors.ClaudeError]]:
    """Return the base of all errors and those below it, in the order of the module."""
    classes = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.ClaudeError)]
    return sorted(classes, key=lambda one: inspect.getsourcelines(one)[1])


def cure_of(kind: type[errors.ClaudeError]) -> str:
    """Return what to do about an error: what a cell says, else what stands in `meanings.toml`."""
    return MEANINGS["cures"].get(kind.code) or advice_for(kind(""))


def errors_table() -> str:
    """Return each error with code, cause and cure."""
    rows = [
        (
            f"`{kind.__name__}`<br>`{kind.code}`",
            _first_paragraph(kind),
            cure_of(kind) + (" The same prompt may succeed later." if kind.retryable and kind.code in _CURES else ""),
        )
        for kind in error_classes()
    ]
    return _table(("error and code", "cause", "cure"), rows)


_CURES = MEANINGS["cures"]


# ---- frames and formats ----


def frames_tables() -> str:
    """Return the columns of every frame of a client."""
    return "\n\n".join(_frame_section("##", name, *frame) for name, frame in FRAMES.items())


def file_frames_tables() -> str:
    """Return the columns of the frames that only session files have."""
    return "\n\n".join(_frame_section("###", name, *frame) for name, frame in FILE_FRAMES.items())


def _frame_section(mark: str, name: str, row: str, schema: columns.Schema, record: type | None) -> str:
    known = column_meanings(name, record)
    rows = [(f"`{column}`", _dtype(make), known.get(column, "")) for column, make in schema.items()]
    call = f"{name}()" if name != "problems" else name
    return f"{mark} `{call}`\n\nOne row per {row}.\n\n{_table(('column', 'dtype', 'meaning'), rows)}"


def column_meanings(name: str, record: type | None) -> dict[str, str]:
    """Return what the columns of a frame mean.

    Args:
        name: the frame.
        record: what its rows are made of; the docstring says what the attributes are.
    """
    doc = docstring_parser.parse(inspect.getdoc(record) or "") if record is not None else None
    told = {one.arg_name: _one_line(one.description or "") for one in doc.params} if doc is not None else {}
    as_column = {key: re.sub(r",? in unix seconds", "", text).replace("`None`", "NA") for key, text in told.items()}
    return as_column | MEANINGS["columns"].get(name, {})


def _dtype(make: Callable[[list[Any]], Any]) -> str:
    # Some pandas write more into the name of a dtype than what it is.
    return re.sub(r"^(str|string).*", "string", str(getattr(make([]), "dtype", "object")))


def output_table() -> str:
    """Return the keys of the run that a notebook keeps."""
    return _table(("key", "meaning"), [(f"`{key}`", text) for key, text in MEANINGS["output"].items()])


def tape_table() -> str:
    """Return the keys that a line of a tape may have."""
    return _table(("key", "meaning"), [(f"`{key}`", text) for key, text in MEANINGS["tape"].items()])


def scenario_table() -> str:
    """Return the keys that a scenario may have."""
    return _table(("key", "meaning"), [(f"`{key}`", text) for key, text in MEANINGS["scenario"].items()])


def changelog() -> str:
    """Return the changelog; its links begin in the folder of the project, those of a page in `docs/`."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")


# ---- the command line ----


def command_line_help() -> str:
    """Return what `claude-magic --help` and `claude-magic simulate --help` print."""
    from claude_magic.__main__ import _parser as program
    from claude_magic.simulator.command_line import _parser as simulate

    return "\n\n".join(f"```text\n{parser.format_help().rstrip()}\n```" for parser in (program(), simulate()))


# ---- Python ----


def api_sections() -> str:
    """Return what documents every public name, in groups; errors have a table of their own."""
    listed = {name for names in API_GROUPS.values() for name in names}
    told = {*listed, *_NOT_API, *(kind.__name__ for kind in error_classes()), "SettingError"}
    groups = {**API_GROUPS, "More": tuple(name for name in claude_magic.__all__ if name not in told)}
    pieces = []
    for title, names in groups.items():
        if not names:
            continue
        blocks = [_autodoc(f"claude_magic.{name}", getattr(claude_magic, name)) for name in names]
        blocks += [_autodoc(path, type) for path in _MEMBERS_ELSEWHERE.get(title, ())]
        pieces.append(f"## {title}\n\n```{{eval-rst}}\n" + "\n\n".join(blocks) + "\n```")
    return "\n\n".join(pieces)


def _autodoc(path: str, value: Any) -> str:
    if inspect.isfunction(value):
        return f".. autofunction:: {path}"
    if isinstance(value, UnionType):
        return f".. autodata:: {path}"
    return f".. autoclass:: {path}\n   :members:"


# ---- Markdown ----


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _sentence(text: str) -> str:
    """Return a help text with a capital, and the options in it as code."""
    marked = re.sub(r"(?<![\w`-])(--?[a-z][a-z-]*)(?![\w`])", r"`\1`", text)
    return marked[:1].upper() + marked[1:]


def _first_paragraph(kind: type) -> str:
    return next(_paragraphs(inspect.getdoc(kind) or ""), "")


def _paragraphs(text: str) -> Iterator[str]:
    return (_one_line(part) for part in text.split("\n\n"))


TABLES: dict[str, Callable[[], str]] = {
    "options": options_table,
    "commands": commands_table,
    "filters": filters_text,
    "settings": settings_table,
    "lab": lab_tables,
    "environment": environment_tables,
    "errors": errors_table,
    "frames": frames_tables,
    "file_frames": file_frames_tables,
    "output": output_table,
    "tape": tape_table,
    "scenario": scenario_table,
    "command_line": command_line_help,
    "api": api_sections,
    "changelog": changelog,
}
"""What a page may ask for, by name."""
