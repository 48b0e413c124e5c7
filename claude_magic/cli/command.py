"""From a configuration to what starts the CLI: the program, its arguments and its environment.

`build_launcher` reads files and may run `claude --help` once: call it on a worker thread. What is known here of
the CLI's arguments and variables was measured on 2.1.197 and 2.1.330.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from claude_magic.cli.discovery import find_cli, knows_option
from claude_magic.cli.environment import Environment, child_environment, with_folder_last
from claude_magic.cli.instructions import project_instructions
from claude_magic.cli.transport import NEW_SESSION, Compile, Launch, SessionOrigin
from claude_magic.cli.trust import (
    MCP_FILE,
    PROMPT_FOLDERS,
    SETTINGS_FILES,
    TrustDecision,
    examine_folders,
    local_mcp_servers,
    starts_programs,
)
from claude_magic.config import SETTING_SOURCES, RetryPolicy, SessionConfig
from claude_magic.paths import claude_dir
from claude_magic.redaction import Redactor, redactor_for, secrets_in

_WINDOWS = sys.platform == "win32"
_LONGEST_ARGUMENT = 30_000 if _WINDOWS else 100_000
"""In bytes. Linux refuses one argument over 128 KiB, Windows a command line over 32 KiB."""

_BASE_ARGUMENTS = (
    "-p",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
    "--replay-user-messages",
    "--permission-prompt-tool=stdio",
    "--thinking-display=summarized",  # else recent models send their thinking empty
)

# The CLI sends the prompts in `.claude/scheduled_tasks.json` by itself, whatever the setting sources are.
_NO_SCHEDULE = {"CLAUDE_CODE_DISABLE_CRON": "1"}

_SECRET_HEADER = re.compile(r"authorization|cookie", re.IGNORECASE)


# ---- the command ----


@dataclass(frozen=True)
class CLILauncher:
    """One configuration in the form that starts a CLI on this machine; made by `build_launcher`.

    Attributes:
        config: the configuration it was made from.
        cli: the program.
        trust: what the working folder brings, and whether the user trusts it.
        notice: one line for the user when something of the folder was left out, else "".
        arguments: what follows the fixed arguments and those of one conversation.
        environment: the environment of the child, as sorted pairs.
        redactor: knows the secrets of the configuration and of the environment.
        keeps_system_prompt: this CLI resumes with the system prompt it recorded, unless told otherwise.
        may_prewarm: starting it ahead of its use runs nothing of the user's: no hook, no MCP server, no plugin.
    """

    config: SessionConfig
    cli: Path
    trust: TrustDecision
    notice: str
    arguments: tuple[str, ...] = field(repr=False)
    environment: tuple[tuple[str, str], ...] = field(repr=False)
    redactor: Redactor = field(repr=False, compare=False)
    keeps_system_prompt: bool = False
    may_prewarm: bool = True

    @cached_property
    def key(self) -> Hashable:
        """What only arguments, environment and folder can set: where it is equal, a warm process of one command
        serves the other. The permission mode can change later and is not in it, except for `bypassPermissions`,
        which has to be there from the start. It is a digest, and shows no secret.
        """
        bypass = self.config.permission_mode == "bypassPermissions"
        parts = [str(self.cli), self.config.working_dir, bypass, self.arguments, self.environment]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def fingerprint(self) -> Hashable:
        """The state, right now, of the files that a CLI reads when it starts: once it differs, a warm process
        knows an old content.
        """
        environ = Environment(self.environment)
        return tuple(_state(path) for path in _files_read(Path(self.config.working_dir), environ))

    def launch(self, origin: SessionOrigin = NEW_SESSION) -> Launch:
        """Return how to start one CLI, in the permission mode of the configuration.

        Args:
            origin: which conversation it is started for.
        """
        flags = _flags(
            {
                "resume": origin.resume,
                "session-id": origin.session_id,
                "resume-session-at": origin.resume_at,
            }
        )
        if origin.fork:
            flags.append("--fork-session")
        if origin.resume is not None and self.keeps_system_prompt:
            flags.append("--system-prompt-snapshot=off")
        mode = f"--permission-mode={self.config.permission_mode}"
        return Launch(
            argv=(str(self.cli), *_BASE_ARGUMENTS, mode, *flags, *self.arguments),
            environment=self.environment,
            working_dir=self.config.working_dir,
            redactor=self.redactor,
        )


def build_launcher(
    config: SessionConfig,
    retry: RetryPolicy,
    *,
    environ: Mapping[str, str] | None = None,
) -> CLILauncher:
    """Turn a configuration into a launcher. Blocks: reads the folder, and may ask the CLI for its options.

    Args:
        config: what the user wants.
        retry: how often the CLI tries the API again.
        environ: the environment to start from; this process's by default.

    Raises:
        CLINotFoundError: there is no CLI.
        ProcessError: the CLI does not run.
        ValueError: something does not fit on a command line.
    """
    environ = Environment(os.environ if environ is None else environ)
    cli = find_cli(config.cli_path, environ)
    child = child_environment(config, retry, environ)
    environment = Environment(with_folder_last(child, cli.parent))
    trust = examine_folders(config.working_dir, config.add_dirs, environment)
    leaves_out = _leaves_out(config, trust)
    instructions = project_instructions(config.working_dir, claude_dir(environment)) if leaves_out else ""
    mcp = _McpServers.from_config(config, local_mcp_servers(config.working_dir, environment) if leaves_out else {})
    if leaves_out or config.simulated is not None:
        environment |= _NO_SCHEDULE
    environment |= mcp.variables
    arguments = _arguments(config, mcp.text, instructions, leaves_out, _open_notebook_rules(environ))
    _check_length(arguments)
    return CLILauncher(
        config=config,
        cli=cli,
        trust=trust,
        notice=_notice(trust) if leaves_out and trust.findings else "",
        arguments=arguments,
        environment=tuple(sorted(environment.items())),
        redactor=redactor_for(environment, named=[*config.secrets, *mcp.secrets.items()]),
        keeps_system_prompt=_has_system_prompt(arguments) and knows_option(cli, "--system-prompt-snapshot"),
        may_prewarm=mcp.text is None and not _starts_programs(config, environment, leaves_out),
    )


def compile_with(retry: RetryPolicy) -> Compile:
    """Return what turns configurations into launchers, on a worker thread.

    Args:
        retry: how often the CLI tries the API again.
    """

    async def compile(config: SessionConfig) -> CLILauncher:
        return await asyncio.to_thread(build_launcher, config, retry)

    return compile


def _starts_programs(config: SessionConfig, environment: Mapping[str, str], leaves_out: bool) -> bool:
    if config.simulated is not None:
        return False
    obeys_folder = not leaves_out and bool({"project", "local"}.intersection(_sources(config)))
    return starts_programs(config.working_dir, environment, obeys_folder=obeys_folder)


def _has_system_prompt(arguments: Iterable[str]) -> bool:
    return any(argument.startswith(("--system-prompt=", "--append-system-prompt=")) for argument in arguments)


# ---- arguments ----


def _arguments(
    config: SessionConfig, mcp_config: str | None, instructions: str, leaves_out: bool, guarded: Iterable[str]
) -> tuple[str, ...]:
    """Write what a configuration sets; what isolates comes last, where it wins over the user's extra arguments.

    A list goes into one value with commas: the CLI does not split inside parentheses, so that a rule such as
    `Bash(git log *)` may have commas and spaces.

    Args:
        config: what the user wants.
        mcp_config: its MCP servers, as the CLI takes them.
        instructions: text of the project for the system prompt, or "".
        leaves_out: whether the folder must not be obeyed.
        guarded: rules for what must not be edited.
    """
    appended = "\n\n".join(filter(None, (instructions, config.append_system_prompt)))
    given = _flags({
        "model": config.model,
        "effort": config.effort,
        "system-prompt": config.system_prompt,
        "append-system-prompt": appended or config.append_system_prompt,
        "max-turns": config.max_turns,
        "max-budget-usd": config.max_budget_usd,
        "tools": _list(config.tools),
        "allowedTools": _list(config.allowed_tools or None),
        "disallowedTools": _list([*config.disallowed_tools, *guarded] or None),
        "json-schema": config.json_schema,
        "mcp-config": mcp_config,
    })  # fmt: skip
    given += [f"--add-dir={folder}" for folder in config.add_dirs]
    if config.simulated is not None:
        _check_simulated(config.extra_args)
        return (*given, *config.extra_args, "--setting-sources=", "--strict-mcp-config")
    if leaves_out:
        # With the source `user` the CLI still starts the user's own MCP servers, and none of the folder's.
        alone = (
            ["--setting-sources=user"] if "user" in _sources(config) else ["--setting-sources=", "--strict-mcp-config"]
        )
        return (*given, *config.extra_args, *alone)
    return (*given, *_flags({"setting-sources": _list(config.setting_sources)}), *config.extra_args)


def _open_notebook_rules(environ: Mapping[str, str]) -> list[str]:
    """Return the rule that keeps the CLI's tools from editing the notebook of the kernel that starts it.

    Its page would not see the edit, and overwrite it with the next save. One rule for Edit denies Write and
    NotebookEdit too, in every permission mode, and no reading (2.1.202 and 2.1.332). What would be a pattern in it
    matches any one character.
    """
    path = environ.get("JPY_SESSION_NAME", "")
    if not path.endswith(".ipynb") or not Path(path).is_file():
        return []
    name = re.sub(r"[^\w/. -]", "?", Path(path).resolve().as_posix())
    return [f"Edit({'/' if name.startswith('/') else '//'}{name})"]


def _flags(values: Mapping[str, object]) -> list[str]:
    """One word per option: a value of its own could pass for an option."""
    return [f"--{name}={value}" for name, value in values.items() if value is not None]


def _list(items: Iterable[str] | None) -> str | None:
    return None if items is None else ",".join(items)


def _sources(config: SessionConfig) -> tuple[str, ...]:
    return SETTING_SOURCES if config.setting_sources is None else config.setting_sources


def _leaves_out(config: SessionConfig, trust: TrustDecision) -> bool:
    """Whether the folder would be obeyed, now or as soon as something appears in it, and must not be. Without the
    sources `project` and `local` the CLI takes nothing from it: neither settings, nor MCP servers, agents, commands
    and skills."""
    obeyed = {"project", "local"}.intersection(_sources(config))
    return not trust.trusted and bool(obeyed) and config.simulated is None


def _notice(trust: TrustDecision) -> str:
    shown, rest = trust.findings[:5], len(trust.findings) - 5
    found = ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
    return (
        f"{trust.folder} is not trusted, so these were left out: {found}. If you know them, `%claude trust` takes "
        "them in."
    )


def _check_length(arguments: Iterable[str]) -> None:
    for argument in arguments:
        name = argument.partition("=")[0]
        if "\0" in argument:
            raise ValueError(f"{name} contains a NUL character, which no command line can carry.")
        if (size := len(argument.encode(errors="surrogateescape"))) > _LONGEST_ARGUMENT:
            raise ValueError(
                f"{name} is too long for a command line: {size:,} bytes of at most {_LONGEST_ARGUMENT:,}. "
                "Put long instructions into CLAUDE.md or the first prompt, and MCP servers into a file."
            )


def _check_simulated(extra_args: Iterable[str]) -> None:
    for argument in extra_args:
        if argument.partition("=")[0] == "--settings":
            raise ValueError("A simulated session takes no --settings: they could lead to the real API.")


@dataclass(frozen=True)
class _McpServers:
    """The MCP servers of a configuration, less the values that may be secret.

    The CLI fills `${NAME}` in from its environment; so the values of `env` and `headers` travel there.
    """

    text: str | None = field(repr=False)
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_config(cls, config: SessionConfig, local: Mapping[str, Any]) -> _McpServers:
        """Return the servers of a configuration.

        Args:
            config: names them in JSON or in a file; a file is handed on as it is.
            local: more servers, by name; those of the configuration win.
        """
        given = config.mcp_config or ("{}" if local else None)
        if given is None or not given.startswith("{"):
            return cls(given)
        content = json.loads(given)
        if local and isinstance(content.get("mcpServers", {}), dict):
            content["mcpServers"] = {**local, **content.get("mcpServers", {})}
        variables: dict[str, str] = {}
        secrets: dict[str, str] = {}
        for values in _mcp_values(content):
            for name, value in values.items():
                if not isinstance(value, str) or "${" in value:
                    continue
                variable = f"CLAUDE_MAGIC_MCP_VALUE_{len(variables) + 1}"
                variables[variable] = value
                values[name] = f"${{{variable}}}"
                if _SECRET_HEADER.search(name) or secrets_in({name: value}):
                    secrets[name] = value.rpartition(" ")[2]  # less the scheme, as in "Bearer ..."
        return cls(json.dumps(content, sort_keys=True), variables, secrets)


def _mcp_values(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    servers = content.get("mcpServers")
    for server in servers.values() if isinstance(servers, dict) else ():
        parts = [server.get(part) for part in ("env", "headers")] if isinstance(server, dict) else []
        yield from (part for part in parts if isinstance(part, dict))


# ---- files that a started CLI has read ----


def _files_read(folder: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    names = ("CLAUDE.md", "CLAUDE.local.md", "AGENTS.md", MCP_FILE)
    for place in (folder, *folder.parents):
        yield from (place / name for name in names)
        yield from _files_in(place / ".claude")
    yield from _files_in(claude_dir(environ))


def _files_in(claude: Path) -> Iterator[Path]:
    """A folder's own time changes when a file comes or goes, which is as far as it is followed."""
    yield from (claude / name for name in ("CLAUDE.md", "AGENTS.md", *SETTINGS_FILES, *PROMPT_FOLDERS, "rules"))


def _state(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size
