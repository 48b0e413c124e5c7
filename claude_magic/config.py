"""Settings of sessions, of the pool and of retries: frozen, hashable, checked when they are made."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_magic.errors import SettingError

PERMISSION_MODES = ("default", "acceptEdits", "plan", "auto", "dontAsk", "bypassPermissions")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
SETTING_SOURCES = ("user", "project", "local")
DEFAULT_SILENCE_TIMEOUT_S = 240.0
"""A stalled API stream says nothing for 300 s before the CLI itself gives up; we speak up earlier."""

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SimulatedAPI:
    """Where a simulated session sends its requests, and where it keeps its own files.

    Args:
        url: base address of a running simulator, on loopback.
        config_dir: folder that takes the place of the user's `~/.claude`.
        key: the simulator's key, `Simulator.key`, where it has one; goes only into the environment.
    """

    url: str
    config_dir: str
    key: str = field(default="sk-ant-simulated", repr=False)

    def __post_init__(self) -> None:
        if not re.match(r"http://(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+/?$", self.url):
            raise ValueError(f"A simulator is on this machine only, such as http://127.0.0.1:8000, not {self.url!r}.")


@dataclass(frozen=True, repr=False)
class SessionConfig:
    """How a session's CLI is started and what it may do.

    Example::

        config = SessionConfig(model="opus", allowed_tools=["Read", "Bash(git log:*)"], max_budget_usd=1.0)
        careful = config.replace(permission_mode="plan")

    Equal configurations are equal values and may be keys of dicts. Mappings become sorted pairs, lists become
    tuples, folders become absolute. Secrets never reach `repr` or a command line.

    Args:
        model: alias (`opus`, `sonnet`, `haiku`) or full name; `None` is the CLI's own default.
        working_dir: folder the agent works in.
        system_prompt: replaces the CLI's system prompt.
        append_system_prompt: is added to it.
        max_turns: API round trips that one prompt may take, at least 1.
        allowed_tools: tools that run without asking, such as `Read` or `Bash(git *)`.
        disallowed_tools: tools that never run.
        tools: the only tools the model has; `()` is none, `None` is all.
        permission_mode: what the CLI does by itself before it asks; see `PERMISSION_MODES`.
        environment: extra variables for the CLI; a value wins over the kernel's.
        oauth_token: token of `claude setup-token`; goes only into the environment.
        api_key: API key; goes only into the environment. One credential only.
        workspace_id: a word of yours to group sessions by.
        effort: how hard the model thinks; see `EFFORTS`.
        max_budget_usd: ceiling for what the process may spend, in US dollars.
        mcp_config: MCP servers: a mapping, JSON text, or a file.
        setting_sources: which settings files the CLI reads, of `user`, `project`, `local`; `None` is its default.
        add_dirs: more folders the agent may touch.
        json_schema: the answer must fit this JSON Schema, a mapping or JSON text.
        resume: id of an earlier conversation to go on with.
        fork: go on in a copy of it.
        resume_at: uuid of an answer (a message of type `assistant`): the copy ends with it; needs `fork`.
        turn_timeout_s: longest a turn may take, in seconds, time of a human not counted; `None` means no limit.
        silence_timeout_s: longest the CLI may say nothing, in seconds, time of a human or a running tool not
            counted; `None` means no limit.
        background_tasks: whether subagents and commands may go on when their turn is over. Without it, a turn ends
            when its subagents have: their questions, their report and their cost are the turn's. With it, newer CLIs
            start every subagent in the background and report in a turn of their own.
        cli_path: the CLI to run, instead of the one found.
        extra_args: further command-line arguments, as they are.
        simulated: answer from a simulator instead of the real API.

    Raises:
        ValueError: a value makes no sense; the message says which and what would.
    """

    model: str | None = None
    working_dir: str = "."
    system_prompt: str | None = None
    append_system_prompt: str | None = None
    max_turns: int | None = None
    allowed_tools: tuple[str, ...] = ()
    disallowed_tools: tuple[str, ...] = ()
    tools: tuple[str, ...] | None = None
    permission_mode: str = "default"
    environment: Pairs = ()
    oauth_token: str | None = None
    api_key: str | None = None
    workspace_id: str = "default"
    effort: str | None = None
    max_budget_usd: float | None = None
    mcp_config: str | None = None
    setting_sources: tuple[str, ...] | None = None
    add_dirs: tuple[str, ...] = ()
    json_schema: str | None = None
    resume: str | None = None
    fork: bool = False
    resume_at: str | None = None
    turn_timeout_s: float | None = None
    silence_timeout_s: float | None = DEFAULT_SILENCE_TIMEOUT_S
    background_tasks: bool = False
    cli_path: str | None = None
    extra_args: tuple[str, ...] = ()
    simulated: SimulatedAPI | None = None

    if TYPE_CHECKING:
        # The fields above say what is stored; this says what may be given.
        def __init__(
            self,
            model: str | None = None,
            working_dir: str | Path = ".",
            system_prompt: str | None = None,
            append_system_prompt: str | None = None,
            max_turns: int | None = None,
            allowed_tools: Iterable[str] = (),
            disallowed_tools: Iterable[str] = (),
            tools: Iterable[str] | None = None,
            permission_mode: str = "default",
            environment: Mapping[str, str] | Iterable[tuple[str, str]] = (),
            oauth_token: str | None = None,
            api_key: str | None = None,
            workspace_id: str = "default",
            effort: str | None = None,
            max_budget_usd: float | None = None,
            mcp_config: str | Path | Mapping[str, Any] | None = None,
            setting_sources: Iterable[str] | None = None,
            add_dirs: Iterable[str | Path] = (),
            json_schema: str | Mapping[str, Any] | None = None,
            resume: str | None = None,
            fork: bool = False,
            resume_at: str | None = None,
            turn_timeout_s: float | None = None,
            silence_timeout_s: float | None = DEFAULT_SILENCE_TIMEOUT_S,
            background_tasks: bool = False,
            cli_path: str | Path | None = None,
            extra_args: Iterable[str] = (),
            simulated: SimulatedAPI | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        self._normalise()
        self._check_words()
        self._check_numbers()

    def _normalise(self) -> None:
        folder = Path(self.working_dir).expanduser().absolute()
        if not folder.is_dir():
            raise SettingError("working_dir", f"is not a directory: {str(folder)!r}.")
        self._set("working_dir", str(folder))
        for name in ("allowed_tools", "disallowed_tools", "extra_args"):
            self._set(name, _words(name, getattr(self, name)))
        for name in ("tools", "setting_sources"):
            if getattr(self, name) is not None:
                self._set(name, _words(name, getattr(self, name)))
        if isinstance(self.add_dirs, str | Path):
            raise SettingError("add_dirs", f"takes a list of folders, such as [{str(self.add_dirs)!r}], not one.")
        self._set("add_dirs", tuple(str(Path(path).expanduser().absolute()) for path in self.add_dirs))
        self._set("environment", _pairs(self.environment))
        if self.cli_path is not None:
            self._set("cli_path", str(Path(self.cli_path).expanduser()))
        self._set("mcp_config", json_text("mcp_config", self.mcp_config))
        self._set("json_schema", json_text("json_schema", self.json_schema))

    def _check_words(self) -> None:
        one_of("permission_mode", self.permission_mode, PERMISSION_MODES)
        if self.effort is not None:
            one_of("effort", self.effort, EFFORTS)
        for source in self.setting_sources or ():
            one_of("setting_sources", str(source), SETTING_SOURCES)
        if self.oauth_token and self.api_key:
            raise ValueError("Give oauth_token or api_key, not both: the CLI would use the key and ignore the token.")
        for name in ("model", "resume", "resume_at", "workspace_id"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise SettingError(name, "is empty: leave it out, or give a name.")
        if self.fork and self.resume is None:
            raise SettingError("fork", "needs resume: the id of the conversation to copy.")
        if self.resume_at is not None and not self.fork:
            raise SettingError("resume_at", "needs fork: a conversation that goes on in the middle would lose its end.")

    def _check_numbers(self) -> None:
        if self.max_turns is not None:
            _whole_number("max_turns", self.max_turns, 1)
        for name in ("max_budget_usd", "turn_timeout_s", "silence_timeout_s"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def replace(self, **changes: Any) -> SessionConfig:
        """Return a copy with some settings changed, checked again."""
        try:
            return replace(self, **changes)
        except (TypeError, ValueError) as error:
            changes, error.__traceback__ = {}, None
            raise

    @property
    def secrets(self) -> tuple[tuple[str, str], ...]:
        """Name and value of the credentials given here."""
        pairs = (("oauth_token", self.oauth_token), ("api_key", self.api_key))
        return tuple((name, value) for name, value in pairs if value)

    def __repr__(self) -> str:
        shown = []
        for item in fields(self):
            value = getattr(self, item.name)
            if value == item.default and item.name != "working_dir":
                continue
            if item.name in ("oauth_token", "api_key"):
                value = f"[redacted {item.name}]"
            if item.name == "environment":
                value = {name: "[redacted]" for name, _ in self.environment}
            if item.name == "mcp_config" and str(value).startswith("{"):
                value = "[redacted]"  # servers are given their tokens here
            shown.append(f"{item.name}={value!r}")
        return f"SessionConfig({', '.join(shown)})"


def _init_without_values(init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor whose errors show none of the values it was given: credentials are among them.

    A traceback that shows values (`%xmode Verbose`) shows the arguments of each frame, as they are by then.
    """

    @wraps(init)
    def checked(self: SessionConfig, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except (TypeError, ValueError) as error:
            args, kwargs, error.__traceback__ = (), {}, None
            raise

    return checked


if not TYPE_CHECKING:
    SessionConfig.__init__ = _init_without_values(SessionConfig.__init__)


@dataclass(frozen=True)
class PoolConfig:
    """How many CLI processes there may be, and how long they are kept.

    Example::

        client = ClaudeClient(pool=PoolConfig(max_sessions=4, max_running=2, idle_timeout_s=120))
        client.close()

    Args:
        max_sessions: processes at the same time, warm ones included (about 0.15 GB each). Sessions by name
            are not limited: an idle one gives its process up and resumes when it is next used.
        max_running: turns that may run at the same time; `None` is as many as there are processes.
        prewarm: never-prompted processes kept ready for each kind of session in use; the first starts when
            nothing has run for a moment after the first prompt.
        idle_timeout_s: an idle session gives its process up after this many seconds.
        acquire_timeout_s: longest a prompt waits for a process and its turn to run, in seconds.
        log_entries: log entries kept per session.
        messages: messages kept per session.

    Raises:
        ValueError: a number makes no sense.
    """

    max_sessions: int = 8
    max_running: int | None = None
    prewarm: int = 1
    idle_timeout_s: float = 600.0
    acquire_timeout_s: float = 30.0
    log_entries: int = 10_000
    messages: int = 1_000

    def __post_init__(self) -> None:
        least_of = {"max_sessions": 1, "max_running": 1, "prewarm": 0, "log_entries": 1, "messages": 0}
        for name, least in least_of.items():
            value = getattr(self, name)
            if value is not None or name != "max_running":
                _whole_number(name, value, least)
        for name in ("idle_timeout_s", "acquire_timeout_s"):
            positive(name, getattr(self, name))


@dataclass(frozen=True)
class MapBudgets:
    """What maps may spend, in US dollars; what earlier kernels have spent counts.

    Args:
        daily_usd: on one day, by this machine's clock; `None` means no limit.
        notebook_usd: of one notebook, ever; `None` means no limit.

    Raises:
        ValueError: a number makes no sense.
    """

    daily_usd: float | None = None
    notebook_usd: float | None = None

    def __post_init__(self) -> None:
        for name in ("daily_usd", "notebook_usd"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name))


@dataclass(frozen=True)
class RetryPolicy:
    """How often to try again.

    The CLI itself retries what fails at the API, with its own growing delays; `max_retries` tells it how often.
    Here, only what failed before the prompt was written is tried again: a process that would not start.

    Args:
        max_retries: tries after the first one.
        first_delay_s: wait before the first retry, in seconds; it doubles each time.
        max_delay_s: longest wait, in seconds.

    Raises:
        ValueError: a number makes no sense.
    """

    max_retries: int = 4
    first_delay_s: float = 0.5
    max_delay_s: float = 30.0

    def __post_init__(self) -> None:
        _whole_number("max_retries", self.max_retries, 0)
        if not 0 <= self.first_delay_s <= self.max_delay_s < math.inf:
            raise ValueError("The delays must be 0 or more, and max_delay_s not below first_delay_s.")


def _whole_number(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SettingError(name, f"must be a whole number of at least {least}, not {value!r}.")


def positive(name: str, value: Any) -> None:
    """Check a number of seconds or dollars.

    Raises:
        ValueError: it is not a finite number above 0.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise SettingError(name, f"must be a number above 0, not {value!r}.")


def _words(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise SettingError(name, f"takes a list of words, such as [{value!r}], not one text.")
    words = tuple(str(item) for item in value)
    if any(not word.strip() for word in words):
        raise SettingError(name, "has an empty entry.")
    return words


def _pairs(value: Any) -> Pairs:
    items = value.items() if isinstance(value, Mapping) else value
    pairs = tuple(sorted((str(name), str(text)) for name, text in items))
    for name, text in pairs:
        if not name or "=" in name or "\0" in name + text:
            raise SettingError("environment", f"has a variable that cannot be set: {name!r}.")
    return pairs


def json_text(name: str, value: Any) -> str | None:
    """Return canonical JSON text, so that equal contents are equal settings; a path stays a path.

    Args:
        name: the setting, for the message.
        value: a mapping, JSON text, a path for `mcp_config`, or `None`.

    Raises:
        ValueError: it is not a JSON object.
    """
    if value is None or isinstance(value, Path):
        return None if value is None else str(value.expanduser().absolute())
    if isinstance(value, str):
        if name == "mcp_config" and not value.lstrip().startswith("{"):
            path = Path(value).expanduser().absolute()
            if not path.is_file():
                raise SettingError("mcp_config", f"is neither JSON nor a file: {value!r}.")
            return str(path)
        try:
            value = json.loads(value)
        except ValueError as error:
            raise SettingError(name, f"is not valid JSON: {error}.") from None
    if not isinstance(value, Mapping):
        raise SettingError(name, f"must be a JSON object, not {type(value).__name__}.")
    return json.dumps(value, sort_keys=True)


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Check a word against the known ones.

    Raises:
        ValueError: it is none of them.
    """
    if value not in choices:
        raise SettingError(name, f"{value!r} is unknown; use one of {', '.join(choices)}.")
