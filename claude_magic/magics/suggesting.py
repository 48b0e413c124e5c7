"""`Suggester`: what may stand in a prompt, on its first line or on a `%claude` line, with a few words about each."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from claude_magic.cli.mcp_servers import find_servers
from claude_magic.clock import ago
from claude_magic.config import EFFORTS, PERMISSION_MODES
from claude_magic.engine.session import managed
from claude_magic.kernel.level import KernelLevel
from claude_magic.magics.options import flags
from claude_magic.magics.prompting import own_names
from claude_magic.magics.scope import variables_here
from claude_magic.magics.suggesting_names import NameSuggester
from claude_magic.strings import opening
from claude_magic.values.previews import bases_of, members_of
from claude_magic.values.references import is_class, kind_words

if TYPE_CHECKING:
    from claude_magic.engine.session import Session
    from claude_magic.magics.context import NotebookContext

MOST = 300
"""Suggestions of one answer; what is typed on narrows them down."""
_LONGEST_WORDS = 60

_MODELS = {"opus": "the most able", "sonnet": "quick and able", "haiku": "the quickest", "default": "the CLI's own"}
"""What the CLI takes on every account; once a session has started, it says itself what this account has."""
_MODES = dict(
    zip(
        PERMISSION_MODES,
        (
            "asks before it changes anything",
            "edits files unasked",
            "makes a plan first, changes nothing",
            "a model decides what is safe",
            "what is not allowed is denied",
            "everything is allowed: dangerous",
        ),
        strict=True,
    )
)
_LEVELS = dict(
    zip(
        map(str, KernelLevel),
        ("sees nothing of this kernel", "looks at variables and cells", "also runs code, asks each time", "unasked"),
        strict=True,
    )
)
_TOOLS = {
    "Bash": "runs commands", "Edit": "edits files", "Glob": "finds files", "Grep": "searches in files",
    "NotebookEdit": "edits notebooks", "Read": "reads files", "Task": "starts subagents",
    "WebFetch": "reads a web page", "WebSearch": "searches the web", "Write": "writes files",
}  # fmt: skip


@dataclass(frozen=True)
class Suggestion:
    """What may stand at a place.

    Attributes:
        text: it.
        words: a few words about it, which front ends show beside it.
    """

    text: str
    words: str


@dataclass(frozen=True)
class Suggestions:
    """What may stand at a place, in order.

    Attributes:
        start: where the word begins that one of them would replace.
        items: they.
    """

    start: int = 0
    items: tuple[Suggestion, ...] = field(default=())

    def moved(self, by: int) -> Suggestions:
        """Return the same for a text that begins so many characters earlier."""
        return replace(self, start=self.start + by)


def matching(found: Iterable[tuple[str, str]], typed: str, end: int) -> Suggestions:
    """Return those that begin with what was typed, whatever its capitals.

    Args:
        found: texts, and words about each.
        typed: the word so far.
        end: where it ends.
    """
    begun = typed.lower()
    fitting = [(text, words) for text, words in found if text.lower().startswith(begun)]
    return Suggestions(end - len(typed), _items(fitting))


def _items(found: Iterable[tuple[str, str]]) -> tuple[Suggestion, ...]:
    return tuple(Suggestion(text, opening(words, _LONGEST_WORDS)) for text, words in islice(found, MOST))


class Suggester:
    """Says what may stand at a place of a prompt.

    Args:
        context: what the magics of the notebook share.
    """

    def __init__(self, context: NotebookContext) -> None:
        self._context = context
        self._variables = variables_here(context.shell)
        self._own = own_names(self._variables, context.shell)
        history = context.shell.history_manager
        self._names = NameSuggester(self._variables, self._own, history.input_hist_raw if history is not None else ())

    # Places.

    def in_prompt(self, typed: str) -> Suggestions:
        """Return what may stand in the text of a prompt: what can be filled in, and nothing in prose.

        Args:
            typed: the prompt up to the cursor.
        """
        start, found = self._names.after(typed)
        return Suggestions(start, _items(found))

    def among_options(self, typed: str) -> Suggestions:
        """Return what may stand on the first line of a prompt cell.

        Args:
            typed: what stands there up to the cursor, after `%%claude`.
        """
        if "{" in typed.rpartition("}")[2]:
            return self.in_prompt(typed)
        words = typed.split(" ")
        last = words[-1]
        if re.match(r"--[a-z-]+=", last):
            name, _, value = last.partition("=")
            return self._values(flags()[name].dest if name in flags() else "", value, len(typed))
        before = next((word for word in reversed(words[:-1]) if word.startswith("-")), "")
        wanted = flags().get(before)
        takes_value = wanted is not None and wanted.nargs != 0 and (words[-2] == before or wanted.nargs == "+")
        if wanted is not None and takes_value and not (last.startswith("-") and words[-2] != before):
            return self._values(wanted.dest, last, len(typed))
        if last and not last.startswith("-"):
            return Suggestions(len(typed))
        names = [word.partition("=")[0] for word in words[:-1]]
        return matching(_options({flags()[name].dest for name in names if name in flags()}), last, len(typed))

    def on_line(self, typed: str) -> Suggestions:
        """Return what may stand on a `%claude` line.

        Args:
            typed: what stands there up to the cursor, after `%claude`.
        """
        from claude_magic.magics.commands import COMMANDS, PROMPTS

        word, space, rest = typed.lstrip().partition(" ")
        if not space:
            usable = [(name, command.help) for name, command in COMMANDS.items()]
            return matching(usable, word, len(typed))
        begin = len(typed) - len(rest)
        if word in PROMPTS:
            found = self.among_options(rest) if _is_among_options(rest) else self.in_prompt(rest)
            return found.moved(begin)
        if word not in COMMANDS:
            return Suggestions(len(typed))
        last = rest.rpartition(" ")[2]
        kind = COMMANDS[word].argument
        if isinstance(kind, tuple):
            return matching([(one, "") for one in kind], last, len(typed))
        return self._values(kind, last, len(typed))

    # What may stand there.

    def _values(self, kind: str, typed: str, end: int) -> Suggestions:
        """Return the values of an option, or of a command's argument."""
        if kind in ("tools", "allow", "offer", "mcp"):
            typed = re.split(r"[,\s]", typed)[-1]
        if kind in ("attach", "schema") and re.search(r"[.\[]", typed) and not typed.startswith((".", "/", "~")):
            return Suggestions(end)
        return matching(self._known(kind, typed), typed, end)

    def _known(self, kind: str, typed: str) -> Iterable[tuple[str, str]]:
        if kind in ("session", "fork"):
            return [(session.name, self._session_words(session)) for session in self._sessions()]
        if kind == "folder" or kind == "cwd":
            return _paths(typed, folders=True)
        if kind == "path":
            return _paths(typed)
        if kind == "attach":
            return [*self._described(self._own), *(_paths(typed) if typed else ())]
        table = {
            "model": self._models, "tools": self._tools, "allow": self._tools, "resume": self._conversations,
            "offer": self._functions, "schema": self._schemas,
        }  # fmt: skip
        if kind == "mcp":
            found = find_servers(self._context.base_config.working_dir, os.environ)
            return [(one.name, f"{one.source}, {'trusted' if one.trusted else 'not trusted'}") for one in found]
        if kind in table:
            return table[kind]()
        fixed = {"permission_mode": _MODES, "kernel": _LEVELS, "effort": dict.fromkeys(EFFORTS, "how hard to think")}
        return list(fixed.get(kind, {}).items())

    def _sessions(self) -> list[Session]:
        return self._context.open_sessions

    def _session_words(self, session: Session) -> str:
        is_asking = session.name in self._context.asker.waiting
        turns = f"{session.turns} turn{'' if session.turns == 1 else 's'}"
        return f"{'waits for you' if is_asking else session.state}, {turns}, ${session.cost_usd:.2f}"

    def _models(self) -> Iterable[tuple[str, str]]:
        known = {
            str(model.get("value")): str(model.get("description") or model.get("displayName") or "a model")
            for session in self._sessions()
            for model in session.models
            if model.get("value")
        }
        return (known or _MODELS).items()

    def _tools(self) -> Iterable[tuple[str, str]]:
        words = dict(_TOOLS)
        for session in self._sessions():
            words |= {name: words.get(name, _tool_words(name)) for name in managed(session).tools}
        for info in self._context.offered_tools():
            words[info.full_name] = opening(info.description, _LONGEST_WORDS) or "a function of this notebook"
        return sorted(words.items())

    def _conversations(self) -> Iterable[tuple[str, str]]:
        for one in self._context.conversations():
            yield one.session_id, f"{opening(one.title, 40)} · {ago(time.time() - one.changed)}"

    def _functions(self) -> Iterable[tuple[str, str]]:
        return [(name, words) for name, words in self._described(self._own) if words == "function"]

    def _schemas(self) -> Iterable[tuple[str, str]]:
        yield "table", "a DataFrame"
        for name in self._own:
            value = self._variables[name]
            members = {member for kind in bases_of(value) for member in members_of(kind)} if is_class(value) else set()
            if members & {"__dataclass_fields__", "model_json_schema"}:
                yield name, "class"
            elif type(value) is dict and ("properties" in value or "$schema" in value):
                yield name, "JSON Schema"

    def _described(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        return ((name, kind_words(name, self._variables[name])) for name in names)


def _options(said: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the options that were not said yet; a short one only where it has been begun."""
    for name, action in flags().items():
        if name.startswith("--") and (action.dest not in said or action.nargs == "+"):
            yield name, str(action.help).partition(";")[0]


def _is_among_options(typed: str) -> bool:
    """Whether the prompt of a line has not begun: what stands there are options and their values."""
    rest = typed
    while option := re.match(r"\s*(--?[A-Za-z][\w-]*)=?", rest):
        rest = rest[option.end() :]
        action = flags().get(option[1])
        value = re.match(r"\s*\S*", rest) if action is not None and action.nargs != 0 else None
        end = 0 if value is None else value.end()
        if end == len(rest):
            return True
        rest = rest[end:]
    return rest.strip() in ("", "-", "--")


def _tool_words(name: str) -> str:
    server = re.match(r"mcp__(.+?)__", name)
    return f"of the MCP server {server[1]}" if server else "a tool of the CLI"


def _paths(typed: str, *, folders: bool = False) -> Iterator[tuple[str, str]]:
    """Yield what is in the folder that was begun, as it would be typed; hidden entries only where a dot was."""
    folder, name = os.path.split(typed)
    before = typed[: len(typed) - len(name)]
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in listed:
        is_folder = entry.is_dir()
        if entry.name.startswith(".") and not name.startswith("."):
            continue
        if is_folder or not folders:
            yield f"{before}{entry.name}{'/' if is_folder else ''}", "folder" if is_folder else "file"
