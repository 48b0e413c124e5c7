"""The sub-commands of `%claude`, one table."""

from __future__ import annotations

import inspect
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from claude_magic.cli.trust import trust_folder
from claude_magic.doctor import diagnose, versions
from claude_magic.magics import helping, recording, session_commands
from claude_magic.magics.cell_references import traceback_text
from claude_magic.magics.context import NotebookContext
from claude_magic.magics.filters import (
    FILE_TABLES,
    Filters,
    filtered,
    filtered_files,
    parse_file_filters,
    parse_filters,
)
from claude_magic.magics.helping import Command
from claude_magic.magics.mcp_command import MCP_USAGE, mcp
from claude_magic.magics.options import split_prompt
from claude_magic.magics.parsing import did_you_mean
from claude_magic.magics.queueing import QUEUE_USAGE, queue
from claude_magic.magics.rewinding import REWIND_USAGE, redo, rewind, undo
from claude_magic.magics.scope import variables_here
from claude_magic.magics.turns import run_prompt

if TYPE_CHECKING:
    from claude_magic.records.session_list import SessionList


def run(context: NotebookContext, word: str, rest: str) -> Any:
    """Run a sub-command.

    Args:
        context: what the magics share.
        word: its name.
        rest: what was typed after it.

    Raises:
        UsageError: there is none of this name, or its argument makes no sense.
    """
    command = COMMANDS.get(word)
    if command is None:
        hint = did_you_mean(word, COMMANDS, "%claude ") or "."
        raise UsageError(
            f"%claude {word} is unknown{hint} `%claude help --all` lists what there is; to prompt, use `%claude ask …`."
        )
    return command.run(context, rest)


def _status(context: NotebookContext, rest: str) -> None:
    table = _sessions(context, "").table_html if context.session_names else ""
    helping.show_status(context, table, short_help(context))


def _help(context: NotebookContext, rest: str) -> None:
    helping.show_help(rest, GROUPS, short_help(context))


def short_help(context: NotebookContext) -> str:
    """Return the help that is quickly read: what `%%claude?` shows, and the commands that matter first."""
    magics = context.shell.magics_manager.magics
    return "\n\n".join(inspect.getdoc(magics[kind]["claude"]) or "" for kind in ("cell", "line"))


def _sessions(context: NotebookContext, rest: str) -> SessionList:
    from claude_magic.records.session_list import session_list

    frames = context.client.frames
    turns = frames.turns().dropna(subset=["prompt"])
    prompts = dict(zip(turns["session"], turns["prompt"], strict=True))  # the last one of each
    return session_list(frames.sessions(), prompts, context.asker.waiting, time.time())


def context_usage(context: NotebookContext, rest: str) -> Any:
    """Return what fills the window of a session: system prompt, tools, memory, skills, messages, and what is free.

    It starts the session's process, if it has none; no prompt is sent and nothing is spent.
    """
    from claude_magic.records.context_usage import usage_table

    session = context.get_session(rest or "main")
    return usage_table(session.name, context.client.context_usage(session))


def _turns(context: NotebookContext, rest: str) -> Any:
    return filtered(context.client.frames, "turns", _filters(context, "turns", rest))


def _tools(context: NotebookContext, rest: str) -> Any:
    return filtered(context.client.frames, "tools", _filters(context, "tools", rest))


def _history(context: NotebookContext, rest: str) -> Any:
    return filtered(context.client.frames, "messages", _filters(context, "history", rest))


def _logs(context: NotebookContext, rest: str) -> Any:
    return filtered(context.client.frames, "logs", _filters(context, "logs", rest))


def _stats(context: NotebookContext, rest: str) -> Any:
    from claude_magic.records.summary import summary

    frames = context.client.frames
    filters = _filters(context, "stats", rest)
    turns = filtered(frames, "turns", filters)
    # Where the time went is not kept: the part of this kernel would say something wrong of the whole.
    spans = frames.spans().head(0) if filters.all else frames.spans()
    tools, spans = (part[part["turn_id"].isin(turns["turn_id"])] for part in (frames.tools(history=filters.all), spans))
    return summary(turns, tools, spans)


def _transcripts(context: NotebookContext, rest: str) -> Any:
    from claude_magic.transcripts.transcripts import read_transcripts

    table, filters = parse_file_filters(rest)
    found = read_transcripts(since=filters.since, project=filters.project)
    if found.sessions().empty:
        filtered = "" if filters.since is None and filters.project is None else " that these filters let through"
        print(f"No session{filtered} was found in {found.root}, where the CLI keeps its session files.")
    return filtered_files(found, table, filters)


def _filters(context: NotebookContext, word: str, rest: str) -> Filters:
    """Return what was typed; a session that is closed still has its records."""
    filters = parse_filters(word, rest)
    name = filters.session
    if name is None or filters.all or name in set(context.client.frames.log_summary()["session"]):
        return filters
    return replace(filters, session=context.get_session(name).name)


def _map(context: NotebookContext, rest: str) -> Any:
    """Return the maps of this kernel as a table, or stop one of them, or all."""
    word, _, name = rest.partition(" ")
    if word not in ("", "stop"):
        raise UsageError("%claude map takes nothing, or `stop [MAP]`.")
    if word == "stop":
        wanted = name.strip()
        running = [run for run in context.client.map_runs if not run.is_done and wanted in ("", run.map_id)]
        for run in running:
            run.stop()
        print(f"Stopped: {', '.join(run.map_id for run in running)}." if running else "No map of this name is running.")
        return None
    from claude_magic.magics.mapping import maps_table

    return maps_table(context.client.map_runs)


def _print_simulation_notice(context: NotebookContext) -> None:
    words = context.apply_simulation()
    if words:
        print(words)


def _stop(context: NotebookContext, rest: str) -> None:
    print(session_commands.stop(context, rest))


def _close(context: NotebookContext, rest: str) -> None:
    print(session_commands.close(context, rest))


def _new(context: NotebookContext, rest: str) -> None:
    _print_simulation_notice(context)
    print(session_commands.new(context, rest))


def _resume(context: NotebookContext, rest: str) -> None:
    session_id, _, name = rest.partition(" ")
    if session_id:
        _print_simulation_notice(context)
    print(session_commands.resume(context, session_id, name.strip()))


def _fork(context: NotebookContext, rest: str) -> None:
    name, _, source = rest.partition(" ")
    print(session_commands.fork(context, name, source.strip()))


def _rename(context: NotebookContext, rest: str) -> None:
    before, _, name = rest.partition(" ")
    print(session_commands.rename(context, before, name.strip()))


def _offer(context: NotebookContext, rest: str) -> Any:
    """Offer functions of the notebook, take them back, or return what Claude has of this kernel as a table."""
    names = rest.replace(",", " ").split()
    if names[:1] == ["--stop"]:
        for name in names[1:]:
            if context.offered.get(name) is None:
                raise UsageError(f"%claude offer --stop {name}: no function of this name is offered.")
            context.offered.remove(name)
    elif names:
        context.offer(names, variables_here(context.shell))
    from dataclasses import asdict

    import pandas as pd

    kernel = context.kernel_tools.server(context.kernel_level(None, context.base_config))
    infos = [*(kernel.list_tools() if kernel is not None else []), *context.offered.list_tools()]
    infos += context.client.list_tools()
    columns = ["server", "name", "read_only", "full_name", "description"]
    return pd.DataFrame([asdict(info) for info in infos], columns=columns)


def _revoke(context: NotebookContext, rest: str) -> None:
    """Take back what a person granted; without a name in all sessions, since that can only make it ask more."""
    names = [context.get_session(rest).name] if rest else [info.name for info in context.client.list_sessions()]
    revoked = [f"{name}: {label}" for name in names for label in context.asker.revoke(context.get_session(name))]
    words = "\n".join(f"  {line}" for line in revoked)
    print(f"Asked about again from now on:\n{words}" if revoked else "Nothing had been allowed for a session.")


def _config(context: NotebookContext, rest: str) -> None:
    print(f"New sessions: {context.base_config!r}")
    for name in sorted(context.settings.trait_names(config=True)):
        print(f"  ClaudeMagics.{name} = {getattr(context.settings, name)!r}")
    print("Change one with `%config ClaudeMagics.NAME = VALUE`.")


def _simulate(context: NotebookContext, rest: str) -> None:
    switch, _, scenario = rest.partition(" ")
    if switch not in ("on", "off"):
        raise UsageError("%claude simulate takes `on`, `on SCENARIO` or `off`.")
    if switch == "on":
        endpoint = context.simulation.switch_on(scenario.strip() or None)
        closed = _close_where(context, simulated=False)
        print(f"Answers are simulated from now on ({endpoint.url}); no model is called.{closed}")
    else:
        closed = _close_where(context, simulated=True)
        context.simulation.switch_off()
        print(f"Answers are real from now on.{closed}")


def _close_where(context: NotebookContext, *, simulated: bool) -> str:
    """Close the sessions of the other world: a conversation must not go on in this one."""
    infos = [info for info in context.client.list_sessions() if info.simulated is simulated]
    for info in infos:
        context.close_session(info.name)
    if not infos:
        return ""
    return session_commands.closed_words(infos) + ("" if simulated else " `%claude resume ID` goes on with one.")


def _trust(context: NotebookContext, rest: str) -> None:
    folder = Path(rest or ".").expanduser().absolute()
    if not folder.is_dir():
        raise UsageError(f"%claude trust: {str(folder)!r} is not a folder.")
    decision = trust_folder(folder)
    brings = ", ".join(decision.findings) or "nothing of the kind today"
    print(f"{folder} is trusted. It brings: {brings}. New sessions use it.")


def _doctor(context: NotebookContext, rest: str) -> None:
    for line in diagnose(context.client, context.base_config):
        print(line)
    if words := context.runner.page_words():
        print(f"page:      {words}")


def _version(context: NotebookContext, rest: str) -> None:
    print(versions(context.base_config))


def _ask(context: NotebookContext, rest: str) -> None:
    options, text = split_prompt(rest)
    if not text.strip():
        raise UsageError("%claude ask needs a prompt on the same line. Nothing was sent.")
    run_prompt(context, options, text)


def _fix(context: NotebookContext, rest: str) -> None:
    options, text = split_prompt(rest)
    run_prompt(context, options, fix_prompt(context.last_failure, text), typed=False)


def fix_prompt(failure: tuple[str, BaseException] | None, text: str) -> str:
    """Return the prompt of `%claude fix`: the cell that failed, its error, and what the user adds.

    Raises:
        UsageError: no cell has failed yet.
    """
    if failure is None:
        raise UsageError("%claude fix: no cell has failed yet in this kernel. Nothing was sent.")
    cell, error = failure
    wish = text.strip() or "Explain what went wrong in a sentence or two, and give the corrected cell."
    code = f"```python\n{cell.strip()}\n```\n\n```text\n{traceback_text(error)}\n```"
    return f"This notebook cell failed:\n\n{code}\n\n{wish}"


GROUPS: dict[str, dict[str, Command]] = {
    "Ask": {
        "ask": Command("ask [options] TEXT", "prompt in one line; the text arrives as typed", _ask),
        "fix": Command("fix [TEXT]", "explain and correct the last error", _fix),
    },
    "Conversations": {
        "status": Command("status", "sessions and help", _status),
        "sessions": Command("sessions", "open sessions, as a table", _sessions),
        "new": Command("new [NAME]", "begin a conversation anew", _new, "session"),
        "resume": Command("resume ID [NAME]", "go on with an earlier conversation", _resume, "resume"),
        "fork": Command("fork NAME [FROM]", "begin a session as a copy of an open one (main)", _fork, "session"),
        "rename": Command("rename OLD NEW", "give a session another name", _rename, "session"),
        "close": Command("close [NAME]", "end a session and what it started", _close, "session"),
    },
    "While Claude works": {
        "stop": Command("stop [NAME]", "end what is running; text and session stay", _stop, "session"),
        "context": Command("context [NAME]", "what fills the window", context_usage, "session"),
        "map": Command("map [stop [MAP]]", "maps of this kernel, as a table; or stop one", _map),
        "queue": Command(QUEUE_USAGE, "prompts that wait; withdraw, edit, move, send one in", queue, "session"),
    },
    "Afterwards": {
        "rewind": Command(REWIND_USAGE, "go back to a turn: files, conversation or both; alone, the turns", rewind),
        "redo": Command("redo [NAME]", "go forward again after a rewind", redo, "session"),
        "undo": Command("undo [NAME]", "restore the files the last turn edited", undo, "session"),
    },
    "What happened, as tables": {
        "turns": Command("turns [FILTERS]", "every turn: time, tokens, cost, as a table", _turns, "session"),
        "tools": Command("tools [FILTERS]", "every tool use, as a table", _tools, "session"),
        "history": Command("history [FILTERS]", "what was said, as a table", _history, "session"),
        "logs": Command("logs [FILTERS]", "the log, as a table", _logs, "session"),
        "stats": Command("stats [FILTERS]", "cost, time and tools in one look; a table too", _stats, "session"),
        "transcripts": Command(
            "transcripts [TABLE] [FILTERS]", "the CLI's session files, as a table", _transcripts, FILE_TABLES
        ),
    },
    "What Claude may do": {
        "offer": Command("offer [--stop] [FUNC …]", "functions Claude may call; alone, what it has", _offer, "offer"),
        "mcp": Command(MCP_USAGE, "MCP servers, and how they stand; add or trust one", mcp, ("add", "trust", "remove")),
        "revoke": Command("revoke [NAME]", "ask again about what you allowed for a session", _revoke, "session"),
        "trust": Command("trust [FOLDER]", "use the settings a folder brings", _trust, "folder"),
    },
    "Set up": {
        "config": Command("config", "the settings of new sessions", _config),
        "doctor": Command("doctor", "what is missing, and the command that mends it", _doctor),
        "version": Command("version", "versions of package and CLI", _version),
        "simulate": Command("simulate on [SCENARIO]|off", "answer from a simulator", _simulate, ("on", "off")),
        "record": Command(recording.RECORD_USAGE, "write every run to a tape", recording.record, ("on", "off")),
        "replay": Command(recording.REPLAY_USAGE, "answer from a tape, with no CLI", recording.replay, "path"),
        "help": Command("help [--all|COMMAND|OPTION]", "this help; all of it; or on one thing", _help),
    },
}
COMMANDS: dict[str, Command] = {name: command for group in GROUPS.values() for name, command in group.items()}
PROMPTS = ("ask", "fix")
"""Commands whose argument is a prompt."""
AS_TYPED = (*PROMPTS, "queue", "mcp")
"""Commands in whose argument nothing is filled in before they see it."""
