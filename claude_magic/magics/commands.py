"""The sub-commands of `%claude`, one table."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.display import display

from claude_magic.cli.trust import trust_folder
from claude_magic.display.asking import can_ask
from claude_magic.doctor import diagnose, versions
from claude_magic.magics import recording as taping
from claude_magic.magics.filters import (
    FILE_FILTERS_HELP,
    FILTERS_HELP,
    Filters,
    filtered,
    filtered_files,
    parse_file_filters,
    parse_filters,
)
from claude_magic.magics.forking import copy_of
from claude_magic.magics.options import options_help
from claude_magic.magics.parsing import did_you_mean
from claude_magic.magics.resuming import check_conversation
from claude_magic.widgets.undoing import undo_words

if TYPE_CHECKING:
    from claude_magic.engine.session_info import SessionInfo
    from claude_magic.magics.claude import ClaudeMagics
    from claude_magic.records.session_list import SessionList

_LONGEST_TRACEBACK = 6000


@dataclass(frozen=True)
class Command:
    """One sub-command: how it is written, what it does, and the function."""

    usage: str
    help: str
    run: Callable[[ClaudeMagics, str], Any]


def run(magics: ClaudeMagics, word: str, rest: str) -> Any:
    """Run a sub-command.

    Args:
        magics: the magics it acts on.
        word: its name.
        rest: what was typed after it.

    Raises:
        UsageError: there is none of this name, or its argument makes no sense.
    """
    command = COMMANDS.get(word)
    if command is None:
        hint = did_you_mean(word, COMMANDS, "%claude ") or "."
        raise UsageError(
            f"%claude {word} is unknown{hint} `%claude` lists what there is; to prompt, use `%claude ask …`."
        )
    return command.run(magics, rest)


class _Status:
    """What `%claude` shows: the sessions, and help that a page folds away.

    Args:
        headline: the whole in one line.
        sessions: a line each.
        table: the sessions as HTML.
        texts: title and text of each part of the help.
    """

    def __init__(self, headline: str, sessions: list[str], table: str, texts: dict[str, str]) -> None:
        self._headline, self._sessions, self._table, self._texts = headline, sessions, table, texts

    def __repr__(self) -> str:
        parts = [f"{title}\n{text}" for title, text in self._texts.items()]
        return "\n\n".join(["\n".join([self._headline, *self._sessions]), *parts])

    def _repr_html_(self) -> str:
        parts = "".join(
            f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"
            for title, text in self._texts.items()
        )
        return f"<div><p><strong>{escape(self._headline)}</strong></p>{self._table}{parts}</div>"


def _status(magics: ClaudeMagics, rest: str) -> None:
    from claude_magic.rendering.text import one_line, plural

    infos = magics.client.list_sessions()
    waiting = magics.asker.waiting
    kind = "simulated" if magics.base.simulated else "real"
    if magics.client.player is not None:
        kind = "played"
    lines, granted = [], list[str]()
    for info in infos:
        mark = "simulated, " if info.simulated else ""
        model = info.model or "default model"
        state = f"waits for you ({waiting[info.name]})" if info.name in waiting else info.state
        lines.append(f"  {info.name:<12} {state:<8} {mark}{model}, {plural(info.turns, 'turn')}, ${info.cost_usd:.4f}")
        granted += [f"  {info.name}: {one_line(one)}" for one in magics.asker.granted(magics.known(info.name))]
    commands = "\n".join(f"  {command.usage:<28} {command.help}" for command in COMMANDS.values())
    allowed = "Runs without asking, until `%claude revoke [NAME]`"
    help_texts = ({allowed: "\n".join(granted)} if granted else {}) | {
        "%%claude [options]      a cell: the prompt stands below": options_help(),
        "%claude COMMAND": commands,
        "FILTERS": f"  {FILTERS_HELP}\n  of transcripts: {FILE_FILTERS_HELP}",
    }
    headline = f"Claude: {plural(len(infos), 'session')} open, {kind} answers"
    display(_Status(headline, lines, _sessions(magics, "").table_html if infos else "", help_texts))


def _sessions(magics: ClaudeMagics, rest: str) -> SessionList:
    from claude_magic.records.session_list import session_list

    frames = magics.client.frames
    turns = frames.turns().dropna(subset=["prompt"])
    prompts = dict(zip(turns["session"], turns["prompt"], strict=True))  # the last one of each
    return session_list(frames.sessions(), prompts, magics.asker.waiting, time.time())


def _turns(magics: ClaudeMagics, rest: str) -> Any:
    return filtered(magics.client.frames, "turns", _filters(magics, "turns", rest))


def _tools(magics: ClaudeMagics, rest: str) -> Any:
    return filtered(magics.client.frames, "tools", _filters(magics, "tools", rest))


def _history(magics: ClaudeMagics, rest: str) -> Any:
    return filtered(magics.client.frames, "messages", _filters(magics, "history", rest))


def _logs(magics: ClaudeMagics, rest: str) -> Any:
    return filtered(magics.client.frames, "logs", _filters(magics, "logs", rest))


def _stats(magics: ClaudeMagics, rest: str) -> Any:
    from claude_magic.records.summary import summary

    frames = magics.client.frames
    filters = _filters(magics, "stats", rest)
    turns = filtered(frames, "turns", filters)
    # Where the time went is not kept: the part of this kernel would say something wrong of the whole.
    spans = frames.spans().head(0) if filters.all else frames.spans()
    tools, spans = (part[part["turn_id"].isin(turns["turn_id"])] for part in (frames.tools(history=filters.all), spans))
    return summary(turns, tools, spans)


def _transcripts(magics: ClaudeMagics, rest: str) -> Any:
    from claude_magic.transcripts.transcripts import read_transcripts

    table, filters = parse_file_filters(rest)
    found = read_transcripts(since=filters.since, project=filters.project)
    if found.sessions().empty:
        filtered = "" if filters.since is None and filters.project is None else " that these filters let through"
        print(f"No session{filtered} was found in {found.root}, where the CLI keeps its session files.")
    return filtered_files(found, table, filters)


def _filters(magics: ClaudeMagics, word: str, rest: str) -> Filters:
    """Return what was typed; a session that is closed still has its records."""
    filters = parse_filters(word, rest)
    name = filters.session
    if name is None or filters.all or name in set(magics.client.frames.log_summary()["session"]):
        return filters
    return replace(filters, session=magics.known(name).name)


def _stop(magics: ClaudeMagics, rest: str) -> None:
    names = [magics.known(rest).name] if rest else [info.name for info in magics.client.list_sessions()]
    stopped = [name for name in names if magics.client.interrupt(name)]
    print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def _close(magics: ClaudeMagics, rest: str) -> None:
    name = magics.known(rest or "main").name
    magics.close(name)
    print(f"Closed {name}.")


def _tell_wish(magics: ClaudeMagics) -> None:
    words = magics.follow_wish()
    if words:
        print(words)


def _new(magics: ClaudeMagics, rest: str) -> None:
    _tell_wish(magics)
    name = rest or "main"
    if name in {info.name for info in magics.client.list_sessions()}:
        magics.close(name)
    magics.client.create_session(magics.base, name)
    print(f"{name} begins anew with the next prompt.")


def _resume(magics: ClaudeMagics, rest: str) -> None:
    session_id, _, name = rest.partition(" ")
    if not session_id:
        raise UsageError("%claude resume needs the id of a conversation: %claude resume ID [NAME]")
    name = name.strip() or "main"
    _tell_wish(magics)
    config = magics.base.replace(resume=session_id)
    check_conversation(config)
    closed = [info for info in magics.client.list_sessions() if info.name == name]
    if closed:
        magics.close(name)
    magics.client.create_session(config, name)
    print(f"{name} goes on with conversation {session_id} at the next prompt.{_closed_words(closed)}")


def _fork(magics: ClaudeMagics, rest: str) -> None:
    name, _, source = rest.partition(" ")
    if not name:
        raise UsageError("%claude fork needs a name for the copy: %claude fork NAME [FROM]")
    if name in {info.name for info in magics.client.list_sessions()}:
        raise UsageError(f"{name} is open already: choose another name for the copy, or close it first.")
    session = magics.known(source.strip() or "main")
    magics.client.create_session(copy_of(session), name)
    print(f"{name} begins with the next prompt as a copy of {session.name}, which stays as it is.")


def _undo(magics: ClaudeMagics, rest: str) -> None:
    """Look, ask, restore; where nobody can be asked, restore what was asked for."""
    session = magics.known(rest or "main")
    name, folder = session.name, str(session.config.working_dir)
    look = magics.client.undo(name, dry_run=True)
    print(undo_words(look, folder))
    if not look.files:
        return
    sure = not can_ask(magics.shell) or input("Undo these edits? [y/n] ").strip().lower() in ("y", "yes")
    print(undo_words(magics.client.undo(name), folder) if sure else "Nothing was changed.")


def _revoke(magics: ClaudeMagics, rest: str) -> None:
    """Take back what a person granted; without a name in all sessions, since that can only make it ask more."""
    names = [magics.known(rest).name] if rest else [info.name for info in magics.client.list_sessions()]
    revoked = [f"{name}: {label}" for name in names for label in magics.asker.revoke(magics.known(name))]
    words = "\n".join(f"  {line}" for line in revoked)
    print(f"Asked about again from now on:\n{words}" if revoked else "Nothing had been allowed for a session.")


def _config(magics: ClaudeMagics, rest: str) -> None:
    print(f"New sessions: {magics.base!r}")
    for name in sorted(magics.trait_names(config=True)):
        print(f"  ClaudeMagics.{name} = {getattr(magics, name)!r}")
    print("Change one with `%config ClaudeMagics.NAME = VALUE`.")


def _simulate(magics: ClaudeMagics, rest: str) -> None:
    switch, _, scenario = rest.partition(" ")
    if switch not in ("on", "off"):
        raise UsageError("%claude simulate takes `on`, `on SCENARIO` or `off`.")
    if switch == "on":
        endpoint = magics.simulation.switch_on(scenario.strip() or None)
        closed = _close_where(magics, simulated=False)
        print(f"Answers are simulated from now on ({endpoint.url}); no model is called.{closed}")
    else:
        closed = _close_where(magics, simulated=True)
        magics.simulation.switch_off()
        print(f"Answers are real from now on.{closed}")


def _close_where(magics: ClaudeMagics, *, simulated: bool) -> str:
    """Close the sessions of the other world: a conversation must not go on in this one."""
    infos = [info for info in magics.client.list_sessions() if info.simulated is simulated]
    for info in infos:
        magics.close(info.name)
    if not infos:
        return ""
    return _closed_words(infos) + ("" if simulated else " `%claude resume ID` goes on with one.")


def _closed_words(infos: Iterable[SessionInfo]) -> str:
    """Say which sessions were closed, with the ids that go on with them."""
    words = [f"{info.name} ({info.session_id})" if info.session_id else info.name for info in infos]
    return f" Closed: {', '.join(words)}." if words else ""


def _trust(magics: ClaudeMagics, rest: str) -> None:
    folder = Path(rest or ".").expanduser().absolute()
    if not folder.is_dir():
        raise UsageError(f"%claude trust: {str(folder)!r} is not a folder.")
    decision = trust_folder(folder)
    brings = ", ".join(decision.findings) or "nothing of the kind today"
    print(f"{folder} is trusted. It brings: {brings}. New sessions use it.")


def _doctor(magics: ClaudeMagics, rest: str) -> None:
    for line in diagnose(magics.client, magics.base):
        print(line)


def _version(magics: ClaudeMagics, rest: str) -> None:
    print(versions(magics.base))


def _never_called(magics: ClaudeMagics, rest: str) -> None:
    """`ask` and `fix` are prompts; `ClaudeMagics.claude_line` takes them before this table is asked."""


def fix_prompt(failure: tuple[str, BaseException] | None, text: str) -> str:
    """Return the prompt of `%claude fix`: the cell that failed, its error, and what the user adds.

    Raises:
        UsageError: no cell has failed yet.
    """
    if failure is None:
        raise UsageError("%claude fix: no cell has failed yet in this kernel. Nothing was sent.")
    cell, error = failure
    # The first frame is IPython's own, which runs the cell.
    begin = error.__traceback__ and error.__traceback__.tb_next
    lines = "".join(traceback.format_exception(type(error), error, begin))
    if len(lines) > _LONGEST_TRACEBACK:
        lines = "…\n" + lines[-_LONGEST_TRACEBACK:]
    wish = text.strip() or "Explain what went wrong in a sentence or two, and give the corrected cell."
    return f"This notebook cell failed:\n\n```python\n{cell.strip()}\n```\n\n```text\n{lines.strip()}\n```\n\n{wish}"


COMMANDS: dict[str, Command] = {
    "status": Command("status", "sessions and this help", _status),
    "ask": Command("ask [options] TEXT", "prompt in one line; the text arrives as typed", _never_called),
    "fix": Command("fix [TEXT]", "explain and correct the last error", _never_called),
    "sessions": Command("sessions", "open sessions, as a table", _sessions),
    "stop": Command("stop [NAME]", "end what is running; text and session stay", _stop),
    "new": Command("new [NAME]", "begin a conversation anew", _new),
    "resume": Command("resume ID [NAME]", "go on with an earlier conversation", _resume),
    "fork": Command("fork NAME [FROM]", "begin a session as a copy of an open one (main)", _fork),
    "undo": Command("undo [NAME]", "restore the files the last turn edited", _undo),
    "revoke": Command("revoke [NAME]", "ask again about what you allowed for a session", _revoke),
    "close": Command("close [NAME]", "end a session and what it started", _close),
    "turns": Command("turns [FILTERS]", "every turn: time, tokens, cost, as a table", _turns),
    "tools": Command("tools [FILTERS]", "every tool use, as a table", _tools),
    "history": Command("history [FILTERS]", "what was said, as a table", _history),
    "logs": Command("logs [FILTERS]", "the log, as a table", _logs),
    "stats": Command("stats [FILTERS]", "cost, time and tools in one look; a table too", _stats),
    "transcripts": Command("transcripts [TABLE] [FILTERS]", "the CLI's own session files, as a table", _transcripts),
    "record": Command(taping.RECORD_USAGE, "write every run to a tape", taping.record),
    "replay": Command(taping.REPLAY_USAGE, "answer from a tape, with no CLI and no account", taping.replay),
    "simulate": Command("simulate on [SCENARIO]|off", "answer from a simulator, with no account", _simulate),
    "trust": Command("trust [FOLDER]", "use the settings a folder brings", _trust),
    "config": Command("config", "the settings of new sessions", _config),
    "doctor": Command("doctor", "check CLI, account and folder", _doctor),
    "version": Command("version", "versions of package and CLI", _version),
}
