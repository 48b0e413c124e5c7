"""From a cell to a response: what is sent, to which session, and how its end is told."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

from claude_magic.cli.decoder import Content
from claude_magic.config import SessionConfig
from claude_magic.engine.session import Session, managed
from claude_magic.errors import ClaudeError, SettingError
from claude_magic.magics.attaching import attached_words, attachment
from claude_magic.magics.conversations import check_conversation
from claude_magic.magics.filling import Filled, error_text, fill, unfilled
from claude_magic.magics.options import Options
from claude_magic.magics.sent_parts import sent_value
from claude_magic.rendering.text import one_line
from claude_magic.response import Response
from claude_magic.values.schemas import TABLE_SCHEMA, build, schema_of
from claude_magic.values.tables import is_frame
from claude_magic.widgets.protocol import SentValue

_NOTHING_SENT = "Nothing was sent."


@dataclass(frozen=True)
class Prompt:
    """What a cell sends.

    Attributes:
        content: text, or content blocks with the typed text last.
        literal: whether a `/command` and an `@path` are plain text.
        filled: the typed text and what was filled in.
        schema: JSON Schema the answer must fit, or `None`.
        shape: what `--schema` named: a model, a dataclass, "table", or `None`.
        notes: what the cell says about it, line by line.
        frames: DataFrames that it names in plain words, and that are not sent with it.
        sent: names of the variables that are sent with it.
        values: what goes in beside the typed text.
    """

    content: Content
    literal: bool
    filled: Filled
    schema: dict[str, Any] | None = None
    shape: Any = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    sent: frozenset[str] = frozenset()
    values: tuple[SentValue, ...] = ()

    @property
    def texts(self) -> list[str]:
        """The texts that are sent, block by block."""
        blocks = [{"type": "text", "text": self.content}] if isinstance(self.content, str) else self.content
        return [str(block.get("text", "")) for block in blocks if block.get("type") == "text"]


def compose(
    options: Options, body: str, namespace: Mapping[str, Any], shell: Any, above: Iterable[dict[str, Any]] = ()
) -> Prompt:
    """Return what a cell sends; nothing is sent yet.

    Args:
        options: the options of the cell.
        body: the prompt as typed.
        namespace: the variables where it was typed.
        shell: the shell; knows which variables are not the user's own, and how values show themselves.
        above: the content blocks with the cells above.

    Raises:
        UsageError: there is no prompt, or a value it needs does not exist.
    """
    text = _with_line_feeds(body).strip("\n")
    if not text.strip():
        raise UsageError(f"%%claude: there is no prompt; write it below the first line. {_NOTHING_SENT}")
    own = own_names(namespace, shell)
    try:
        filled = unfilled(text) if options.raw else fill(text, namespace, own)
    except ValueError as error:
        raise UsageError(f"%%claude: {error}. Use --raw to fill in nothing. {_NOTHING_SENT}") from None
    attached = [_attach(name, namespace, shell) for name in options.attach]
    cells = list(above)
    blocks = [*cells, *(block for carried, _ in attached for block in carried)]
    literal, typed = disarm(filled)
    content: Content = [*blocks, *typed] if blocks or len(typed) > 1 else filled.text
    schema, shape = schema_named(options, namespace)
    values = [sent_value(f"{{{name}}}", filled.described[name], text) for name, text in filled.values.items()]
    attached_values = zip(options.attach, attached, strict=True)
    values += [sent_value(name, words, carried) for name, (carried, words) in attached_values]
    values += [sent_value("cells above", f"up to {options.cells_above}", cells)] if cells else []
    words = ", ".join([*(words for _, words in attached), *(["the cells above"] if cells else [])])
    goes_to = f"→ {options.output}" if options.output else ""
    notes = (filled.summary, filled.left_words, words and f"attached: {words}", goes_to)
    sent = filled.roots | {name for expression in options.attach for name in re.findall(r"\w+", expression)}
    frames = () if options.raw else _frames_named(filled.typed, namespace, own, sent)
    return Prompt(
        content, literal, filled, schema, shape, tuple(filter(None, notes)), frames, frozenset(sent), tuple(values)
    )


def fill_options(options: Options, namespace: Mapping[str, Any], shell: Any) -> Options:
    """Return options with `{name}` in a session's name, model, folder and the like filled in, as in the prompt.

    Args:
        options: as typed.
        namespace: the variables where they were typed.
        shell: knows which variables are not the user's own.

    Raises:
        UsageError: a placeholder has no value, or stands where none is filled in.
    """
    if options.raw:
        return options
    filled: dict[str, Any] = {}
    for name, flag in _TEXTS.items():
        text = getattr(options, name)
        if text is not None and "{" in text:
            filled[name] = fill_in_line(flag, text, namespace, shell, may_have_lines=name == "system")
    for flag, words in (("--tools", options.tools), ("--allow", options.allow)):
        for word in words or ():
            if "{" in word and fill_in_line(flag, word, namespace, shell) != word:
                raise UsageError(f"{flag} {word}: nothing is filled in there; write the tools out. {_NOTHING_SENT}")
    return replace(options, **filled)


_TEXTS = {
    "session": "-s",
    "model": "-m",
    "system": "--system",
    "cwd": "--cwd",
    "resume": "--resume",
    "fork": "--fork",
}
"""Options that are texts, in which values are filled in."""


def fill_in_line(
    before: str, text: str, namespace: Mapping[str, Any], shell: Any, *, may_have_lines: bool = False
) -> str:
    """Return what was typed on a line with its values; everything in it must have one.

    Args:
        before: what stands before it, for the message.
        text: as typed.
        namespace: the variables where it was typed.
        shell: knows which variables are not the user's own.
        may_have_lines: whether a value may have several lines.

    Raises:
        UsageError: something was not filled in, or does not fit on a line.
    """
    try:
        filled = fill(text, namespace, own_names(namespace, shell))
    except ValueError as error:
        raise UsageError(f"{before} {text}: {error}. {_NOTHING_SENT}") from None
    if filled.left:
        raise UsageError(f"{before} {text}: {filled.left_words}. {_NOTHING_SENT}")
    if "\n" in filled.text and not may_have_lines:
        raise UsageError(f"{before} {text}: the value has several lines. {_NOTHING_SENT}")
    return filled.text


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def own_names(namespace: Mapping[str, Any], shell: Any) -> list[str]:
    """Return the names of the user's variables: neither private ones nor those that IPython put there."""
    return [name for name in namespace if not name.startswith("_") and name not in shell.user_ns_hidden]


def _frames_named(text: str, namespace: Mapping[str, Any], own: list[str], sent: Container[str]) -> tuple[str, ...]:
    """Return the DataFrames that a prompt names as words, and that are not sent with it.

    A name of one letter is one only in backticks: as a word it is more often something else.
    """
    frames = [name for name in own if name not in sent and is_frame(namespace[name])]
    return tuple(
        name
        for name in frames
        if re.search(rf"`{re.escape(name)}`" if len(name) == 1 else rf"(?<![\w.{{]){re.escape(name)}\b(?!\()", text)
    )


def frames_note(names: Iterable[str], *, can_look: bool) -> str:
    """Return one line about DataFrames that are named and not sent; "" if there are none.

    Args:
        names: their names.
        can_look: whether Claude may look at the variables of the kernel.
    """
    words = list(names)
    if not words:
        return ""
    if can_look:
        it = "it" if len(words) == 1 else "them"
        return f"Claude can look at {', '.join(words)} in this kernel; {{{words[0]}}} or --attach would send {it} along"
    verb = "is a DataFrame of this kernel, which" if len(words) == 1 else "are DataFrames of this kernel, which"
    return f"{', '.join(words)} {verb} Claude cannot see: write {{{words[0]}}}, or use --attach {' '.join(words)}"


def disarm(filled: Filled) -> tuple[bool, list[dict[str, Any]]]:
    """Say how a filled-in prompt must be sent, so that its values cannot run a command or read a file.

    The CLI looks for `/command` and `@path` in the last text block only. Values that change nothing about these are
    harmless. Otherwise the whole prompt is sent as plain text; and if the typed part has a `/command` or an `@path`
    of its own, the values go into a block before it.

    Returns:
        Whether to send it as plain text, and its blocks.
    """
    whole = [{"type": "text", "text": filled.text}]
    typed = _acted_on(filled.typed)
    if _acted_on(filled.text) == typed:
        return False, whole
    if not typed:
        return True, whole
    values = "\n\n".join(f"{{{name}}} is:\n\n{value}" for name, value in filled.values.items())
    return False, [{"type": "text", "text": values}, {"type": "text", "text": filled.typed}]


def _acted_on(text: str) -> list[str]:
    """Return what the CLI may act on in a text: a command at its beginning, and every `@path`, quoted or not."""
    command = re.match(r"\s*(/\S*)", text)
    return [*([command[1]] if command else []), *re.findall(r'@(?:"[^"]*"?|\S*)', text)]


def _attach(name: str, namespace: Mapping[str, Any], shell: Any) -> tuple[list[dict[str, Any]], str]:
    """Return the blocks that carry a value, and a few words about it."""
    path = Path(name).expanduser()
    value = path if _names_file(name, namespace) else evaluate_option("--attach", name, namespace)
    try:
        blocks = attachment(name, value, shell.display_formatter.formatters)
        return blocks, f"{one_line(name, 80)} ({attached_words(value, blocks)})"
    except ValueError as error:
        raise UsageError(f"--attach {name}: {error}. {_NOTHING_SENT}") from None
    except Exception as error:  # the value's own code draws and prints it
        raise UsageError(f"--attach {name}: {error_text(error)}. {_NOTHING_SENT}") from None


def _names_file(name: str, namespace: Mapping[str, Any]) -> bool:
    """Whether what was typed is the path of a file, and does not begin with a variable."""
    root = re.match(r"\w*", name)
    try:
        return (root is None or root[0] not in namespace) and Path(name).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def evaluate_option(option: str, expression: str, namespace: Mapping[str, Any]) -> Any:
    """Evaluate what the user typed, as Python would where it was typed.

    Args:
        option: the option it was typed for.
        expression: what was typed.
        namespace: the variables where it was typed.

    Raises:
        UsageError: it has no value.
    """
    try:
        return eval(expression, dict(namespace))
    except (Exception, SystemExit) as error:  # it may run any code
        words = f"it has no value ({error_text(error)})"
        raise UsageError(f"{option} {expression}: {words}. {_NOTHING_SENT}") from None


def schema_named(options: Options, namespace: Mapping[str, Any]) -> tuple[dict[str, Any] | None, Any]:
    """Return the JSON Schema that `--schema` names, and what it was made from.

    Raises:
        UsageError: it is none.
    """
    text = options.schema
    if text is None:
        return None, None
    if text == "table":
        return TABLE_SCHEMA, "table"
    shape = text if text.lstrip().startswith("{") else evaluate_option("--schema", text, namespace)
    try:
        return schema_of(shape), shape
    except ValueError as error:
        raise UsageError(f"--schema {text}: {error}. {_NOTHING_SENT}") from None
    except Exception as error:  # a model's own code makes its schema
        raise UsageError(f"--schema {text}: {error_text(error)}. {_NOTHING_SENT}") from None


def result_value(prompt: Prompt, response: Response) -> Any:
    """Return what `-o VAR` gets: the response, or with `--schema` the object it brought.

    Raises:
        UsageError: there is no object, or it does not fit the model or dataclass after all.
    """
    if prompt.schema is None:
        return response
    if response.structured is None:
        raise UsageError(f"--schema: the turn brought no object (it ended as {response.outcome}); nothing was stored.")
    if prompt.shape == "table":
        import pandas as pd

        return pd.DataFrame(response.structured.get("records") or [])
    try:
        return build(prompt.shape, response.structured)
    except (ValueError, TypeError) as error:
        raise UsageError(f"--schema: the answer does not fit ({error}). It is in _claude.structured.") from None


# Which session.


def _wishes(options: Options) -> dict[str, Any]:
    """Return the settings that were said, by their names in `SessionConfig`."""
    said: dict[str, Any] = {
        "model": options.model,
        "effort": options.effort,
        "system_prompt": options.system,
        "tools": options.tools,
        "allowed_tools": options.allow,
        "permission_mode": options.permission_mode,
        "max_turns": options.max_turns,
        "max_budget_usd": options.budget,
        "working_dir": options.cwd,
        "resume": options.resume,
    }
    return {name: value for name, value in said.items() if value is not None}


def new_config(options: Options, base: SessionConfig) -> SessionConfig:
    """Return the configuration of a session that these options make.

    Raises:
        UsageError: a value makes no sense, such as a folder that is not there.
    """
    try:
        return base.replace(**_wishes(options))
    except SettingError as error:
        option = _FIXED.get(error.setting, error.setting)
        raise UsageError(f"%%claude: {option} {error.problem} {_NOTHING_SENT}") from None
    except ValueError as error:
        raise UsageError(f"%%claude: {error} {_NOTHING_SENT}") from None


_FIXED = {
    "effort": "--effort",
    "system_prompt": "--system",
    "tools": "--tools",
    "allowed_tools": "--allow",
    "max_turns": "--max-turns",
    "max_budget_usd": "--budget",
    "working_dir": "--cwd",
}
"""Settings that only a new process can take."""


def check_fits(session: Session, options: Options, wanted: SessionConfig) -> None:
    """Make sure that an open session can do what the options ask for.

    Raises:
        UsageError: it was opened with other settings; says which, and what to do.
    """
    said = _wishes(options)
    other = [
        flag for name, flag in _FIXED.items() if name in said and getattr(wanted, name) != getattr(session.config, name)
    ]
    if options.mcp and wanted.mcp_config != session.config.mcp_config:
        other.append("--mcp")
    if (
        options.resume is not None
        and not managed(session).has_id(options.resume)
        and session.config.resume != options.resume
    ):
        check_conversation(wanted)
        raise UsageError(
            f"The session {session.name!r} is open with another conversation. To go on with --resume {options.resume}, "
            f"use another session (-s NAME), or end this conversation (--new). {_NOTHING_SENT}"
        )
    if options.fork is not None:
        other.append("--fork")
    if options.permission_mode == "bypassPermissions" != session.config.permission_mode:
        other.append("--permission-mode bypassPermissions")  # the CLI takes it at its start only
    if other:
        raise UsageError(
            f"The session {session.name!r} is open with other settings than {', '.join(other)}: "
            f"use -s NAME for a new session, or --new to begin this one anew. {_NOTHING_SENT}"
        )


# How its end is told.


@contextmanager
def brief_errors() -> Iterator[None]:
    """Let our own errors pass as one readable block, without a traceback; anything else passes as it is."""
    try:
        yield
    except ClaudeError as error:
        shorten(error, in_words(error))
        raise
    except KeyboardInterrupt as interrupt:
        shorten(interrupt, "KeyboardInterrupt: stopped.")
        raise
    except ValueError as error:
        raise UsageError(str(error)) from None


def in_words(error: ClaudeError) -> str:
    """Return what happened and what to do, as lines."""
    from claude_magic.rendering import error_bundle

    alone = copy(error)
    alone.response = None  # what there was of an answer is on the screen
    return f"{error.type}: {error_bundle(alone)['text/plain']}"


def shorten(error: BaseException, words: str) -> None:
    """Have IPython show `words` instead of a traceback, unless it shows other words already."""
    if not hasattr(error, "_render_traceback_"):
        error._render_traceback_ = lambda: [words]  # type: ignore[attr-defined]  # IPython's hook for exceptions
