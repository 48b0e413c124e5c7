"""What `%claude` and `%claude help` show: the sessions, a page that is quickly read, and the whole on demand."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from IPython.core.error import UsageError
from IPython.display import display

from claude_magic.kernel.level import KernelLevel
from claude_magic.magics.context import NotebookContext
from claude_magic.magics.filters import FILE_FILTERS_HELP, FILTERS_HELP
from claude_magic.magics.options import flags, options_help
from claude_magic.magics.parsing import did_you_mean
from claude_magic.rendering.text import one_line, plural

_LEVELS = {
    KernelLevel.OFF: "sees nothing of it",
    KernelLevel.READ: "looks at variables",
    KernelLevel.ASK: "looks at variables, asks before it runs code",
    KernelLevel.RUN: "looks at variables, runs code without asking",
}
_USAGE = 28
"""Characters of a command as it is written, where its help stands on the same line."""
_FILTERS = f"Filters\n  {FILTERS_HELP}\n  of transcripts: {FILE_FILTERS_HELP}"


@dataclass(frozen=True)
class Command:
    """One sub-command.

    Attributes:
        usage: how it is written.
        help: what it does.
        run: does it.
        argument: what may stand after it, for completion: words, or the name of a kind of them.
    """

    usage: str
    help: str
    run: Callable[[NotebookContext, str], Any]
    argument: str | tuple[str, ...] = ""


Groups = Mapping[str, Mapping[str, Command]]
"""The sub-commands by their names, in groups with a title."""


class _Page:
    """Help, and the sessions above it.

    Args:
        headline: the whole in one line.
        sessions: a line each.
        table: the sessions as HTML.
        texts: the help, in parts.
    """

    def __init__(self, headline: str, sessions: list[str], table: str, texts: list[str]) -> None:
        self._headline, self._sessions, self._table, self._texts = headline, sessions, table, texts

    def __repr__(self) -> str:
        return "\n\n".join(filter(None, ["\n".join([self._headline, *self._sessions]).strip(), *self._texts]))

    def _repr_html_(self) -> str:
        title = f"<p><strong>{escape(self._headline)}</strong></p>" if self._headline else ""
        parts = "".join(f"<pre>{escape(text)}</pre>" for text in self._texts)
        return f"<div>{title}{self._table}{parts}</div>"


def show_status(context: NotebookContext, table: str, short: str) -> None:
    """Show the sessions, what runs without asking, and the help that is quickly read.

    Args:
        context: what the magics share.
        table: the sessions as HTML.
        short: that help.
    """
    infos = context.client.list_sessions()
    waiting = context.asker.waiting
    kind = "simulated" if context.base_config.simulated else "real"
    if context.client.replayer is not None:
        kind = "played"
    lines, granted = [], list[str]()
    for info in infos:
        mark = "simulated, " if info.simulated else ""
        model = info.model or "default model"
        state = f"waits for you ({waiting[info.name]})" if info.name in waiting else info.state
        lines.append(f"  {info.name:<12} {state:<8} {mark}{model}, {plural(info.turns, 'turn')}, ${info.cost_usd:.4f}")
        granted += [f"  {info.name}: {one_line(one)}" for one in context.asker.granted(context.get_session(info.name))]
    level = context.kernel_level(None, context.base_config)
    headline = f"Claude: {plural(len(infos), 'session')} open, {kind} answers, kernel level {level} ({_LEVELS[level]})"
    allowed = ["Runs without asking, until `%claude revoke [NAME]`\n" + "\n".join(granted)] if granted else []
    display(_Page(headline, lines, table if infos else "", [*allowed, short]))


def show_help(rest: str, groups: Groups, short: str) -> None:
    """Show the help that is quickly read, all of it (`--all`), or that of one command or option.

    Raises:
        UsageError: there is no such command or option.
    """
    word = rest.strip()
    if word in ("", "--help", "-h"):
        display(_Page("", [], "", [short]))
    elif word in ("--all", "all"):
        display(_Page("", [], "", [_all_options(), _all_commands(groups), _FILTERS]))
    else:
        display(_Page("", [], "", [_help_on(word, groups)]))


def _all_options() -> str:
    return f"%%claude [options], and the prompt below; or %claude ask [options] TEXT\n{options_help()}"


def _all_commands(groups: Groups) -> str:
    parts = []
    for title, commands in groups.items():
        lines = [_line(command) for command in commands.values()]
        parts.append("\n".join([f"  {title}", *lines]))
    return "\n".join(["%claude COMMAND", *parts])


def _line(command: Command) -> str:
    """Return usage and help of a command, on two lines where the usage is long."""
    end = "" if len(command.usage) <= _USAGE else f"\n{'':{_USAGE + 4}}"
    return f"    {command.usage:<{_USAGE}}{end} {command.help}"


def _help_on(word: str, groups: Groups) -> str:
    """Return the help on one command or option."""
    commands = {name: command for group in groups.values() for name, command in group.items()}
    if word in commands:
        usage, words = commands[word].usage, commands[word].help
        doc = inspect.getdoc(commands[word].run)
        more = f"\n\n{doc.partition('Raises:')[0].strip()}" if doc else ""
        filters = f"\n\n{_FILTERS}" if "FILTERS" in usage else ""
        return f"%claude {usage}\n  {words}{more}{filters}"
    known = flags()
    option = known.get(word) or known.get(f"--{word}")
    if option is not None:
        return f"%%claude {', '.join(option.option_strings)} {option.metavar or ''}\n  {option.help}"
    near = did_you_mean(word, [*commands, *known])
    raise UsageError(f"%claude help {word}: there is no such command or option{near or '.'} `%claude help --all`")
