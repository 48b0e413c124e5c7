"""`NotebookContext`: what the magics of one notebook share: the client, the settings of new sessions, the simulator."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from IPython.core.error import UsageError

from claude_magic.blocking import ClaudeClient, current_client, get_client
from claude_magic.config import MapBudgets, SessionConfig
from claude_magic.display.asking import Asker, can_ask
from claude_magic.display.kernel_status import BusyKernel
from claude_magic.engine.checkpoints import Checkpoint
from claude_magic.engine.session import Session, managed
from claude_magic.errors import SessionNotFoundError
from claude_magic.kernel.level import KernelLevel
from claude_magic.kernel.tools import KernelTools
from claude_magic.magics.answer_cache import AnswerCache
from claude_magic.magics.background import Unasked
from claude_magic.magics.prompting import own_names
from claude_magic.magics.runner import TurnRunner
from claude_magic.magics.session_watch import SessionWatch
from claude_magic.magics.simulation import Simulation
from claude_magic.paths import claude_dir
from claude_magic.records.history import History
from claude_magic.redaction import process_redactor
from claude_magic.tools import ToolInfo, ToolServer
from claude_magic.transcripts.recent import Conversation, recent_conversations

if TYPE_CHECKING:
    from claude_magic.batch.run import MapRun

_MOST_CELLS = 500
"""Cells whose prompts are remembered, to give them back."""
_NAME = "claude"


class Settings(Protocol):
    """What a person can set with `%config ClaudeMagics`; `ClaudeMagics` says what each is."""

    model: str
    permission_mode: str
    allowed_tools: list[str]
    tools: list[str] | None
    background_tasks: bool
    max_sessions: int
    prewarm: int
    silence_timeout_s: float
    keep: bool
    kernel: KernelLevel
    kernel_max: KernelLevel
    history: bool
    history_texts: bool
    daily_budget_usd: float | None
    notebook_budget_usd: float | None
    confirm_above_usd: float | None

    def is_set(self, name: str) -> bool:
        """Return whether a setting differs from its default."""
        ...

    def trait_names(self, **metadata: Any) -> list[str]:
        """Return the names of the settings."""
        ...


class NotebookContext:
    """What the magics of one notebook share.

    Args:
        shell: the IPython shell.
        settings: what the person can set.
        busy: keeps the kernel's word true; `None` outside a kernel.

    Attributes:
        shell: the shell.
        settings: the settings.
        simulation: the simulator of this kernel.
        asker: asks the person at the notebook.
        runner: submits turns and shows them below their cells.
        answers: the kept answers, and what was said in each session.
        last_failure: source and error of the last cell that failed; `None` if none has.
        kernel_tools: what Claude may do in this kernel.
        offered: functions of the notebook that Claude may call.
        unasked: tells of turns that no prompt asked for.
        watch: tells the pages when the sessions have changed.
        mcp_problems: why MCP servers do not answer, "" where they do, by the hash of what they run.
        named_frames: for each session the DataFrames that its prompts have named or sent.
    """

    def __init__(self, shell: Any, settings: Settings, busy: BusyKernel | None = None) -> None:
        self.shell = shell
        self.settings = settings
        self.simulation = Simulation(self._close_simulated)
        self.asker = Asker(lambda: can_ask(shell))
        self.kernel_tools = KernelTools(
            shell, lambda: own_names(shell.user_ns, shell), lambda change: self.client.records.note_change(change)
        )
        self.offered = ToolServer("notebook", run=self.kernel_tools.run_function)
        self.runner = TurnRunner(shell, self.asker, self.kernel_tools, busy)
        self.answers = AnswerCache()
        self.last_failure: tuple[str, BaseException] | None = None
        self.named_frames: dict[str, frozenset[str]] = {}
        self.mcp_problems: dict[str, str] = {}
        self._cells: dict[str, str] = {}
        self.unasked = Unasked()
        self.watch = SessionWatch(self.runner.nudge_pages)
        self._client: ClaudeClient | None = None
        self._pool_overrides: dict[str, int] = {}
        self._is_history_set = False

    @property
    def client(self) -> ClaudeClient:
        """The kernel's one client, with the settings of these magics."""
        client = get_client()
        if client is not self._client:
            self._client = client
            client.response_observers.append(self.unasked.note)
            client.pool = replace(client.pool, **self._pool_overrides)
            if self._is_history_set:
                self._set_history(client)
            self._set_map_budgets(client)
        if client.ask is None:
            client.ask = self.asker
        return client

    def close(self) -> None:
        """Close the sessions, and let go of the client and the simulator."""
        client, self._client = self._client, None
        if client is not None and not client.is_closed:
            for info in client.list_sessions():
                client.close_session(info.name)
            if client.ask is self.asker:
                client.ask = None
        self.watch.close()
        self.runner.close()
        self.simulation.switch_off()

    # Settings.

    @property
    def base_config(self) -> SessionConfig:
        """What a new session starts from: the client's configuration, with the settings of these magics.

        Raises:
            UsageError: the kernel's working folder does not exist any more.
        """
        config, settings = self.client.config, self.settings
        try:
            folder = Path.cwd()
        except FileNotFoundError:
            raise UsageError("The kernel's working folder is gone: change to another one with %cd.") from None
        mode = settings.permission_mode if settings.is_set("permission_mode") else config.permission_mode
        silence = settings.is_set("silence_timeout_s")
        return config.replace(
            model=settings.model or config.model,
            permission_mode=mode,
            allowed_tools=tuple(settings.allowed_tools) or config.allowed_tools,
            tools=config.tools if settings.tools is None else tuple(settings.tools),
            silence_timeout_s=(settings.silence_timeout_s or None) if silence else config.silence_timeout_s,
            background_tasks=settings.background_tasks or config.background_tasks,
            working_dir=folder,
            simulated=self.simulation.endpoint or config.simulated,
        )

    def kernel_level(
        self, wanted: KernelLevel | None, config: SessionConfig, permission_mode: str | None = None
    ) -> KernelLevel:
        """Return what Claude may do in this kernel for a prompt.

        Args:
            wanted: what `--kernel` says; `None` is nothing.
            config: settings of the session; where they name the only tools, those of the kernel must be asked for.
            permission_mode: that of the prompt; `None` is the session's. A plan changes nothing, so `run` asks there.
                In `bypassPermissions` no one is asked, so `ask` is `run` there, and `read` where the most that can be
                given is `ask`.
        """
        level = wanted or (KernelLevel.OFF if config.tools is not None else KernelLevel(self.settings.kernel))
        most = KernelLevel(self.settings.kernel_max)
        mode = permission_mode or config.permission_mode
        if mode == "plan":
            level = level.at_most(KernelLevel.ASK)
        if level is KernelLevel.OFF or mode != "bypassPermissions":
            return level.at_most(most)
        if level is KernelLevel.ASK:
            level = KernelLevel.RUN
        return level.at_most(KernelLevel.READ if most is KernelLevel.ASK else most)

    def offer(self, names: Iterable[str], variables: Mapping[str, Any]) -> None:
        """Offer functions of the notebook to Claude, in every session of it from the next prompt on.

        Args:
            names: their names.
            variables: what they name.

        Raises:
            UsageError: one does not exist, or cannot be a tool; none is offered then.
        """
        functions = []
        for name in names:
            if name not in variables:
                raise UsageError(f"There is no function {name!r} to offer.")
            functions.append(variables[name])
        try:
            self.offered.add(*functions)
        except ValueError as error:
            raise UsageError(f"{', '.join(names)} cannot be offered: {error}.") from None

    def set_pool(self, **settings: int) -> None:
        """Change settings of the pool, now and for the clients to come."""
        self._pool_overrides |= settings
        if self._client is not None:
            self._client.pool = replace(self._client.pool, **self._pool_overrides)

    def set_silence_timeout(self, seconds: float) -> None:
        """Change how long the open sessions may say nothing; 0 means no limit."""
        if self._client is not None:
            for info in self._client.list_sessions():
                managed(self._client.get_session(info.name)).silence_timeout_s = seconds or None

    def set_history(self) -> None:
        """Keep finished turns as the settings say, now and for the clients to come."""
        self._is_history_set = True
        if self._client is not None:
            self._set_history(self._client)

    def _set_history(self, client: ClaudeClient) -> None:
        path = client.history.path if client.history is not None else None
        client.history = History(path, texts=self.settings.history_texts) if self.settings.history else None

    # Maps.

    def begin_map(self, data: Any, prompt: str, schema: Any = None, **options: Any) -> MapRun:
        """Begin a map with the settings of these magics; see `ClaudeClient.map`.

        Args:
            data: the rows.
            prompt: the prompt.
            schema: what the answers must fit.
            options: further arguments of `map`; `None` is what was not said.
        """
        if notice := self.apply_simulation():
            print(notice)
        given = {name: value for name, value in options.items() if value is not None}
        defaults = {"config": self.base_config, "confirm_above_usd": self.settings.confirm_above_usd}
        return self.client.map(data, prompt, schema, **{**defaults, **given})

    def set_map_budgets(self) -> None:
        """Let maps spend what the settings say, now and for the clients to come."""
        if self._client is not None:
            self._set_map_budgets(self._client)

    def _set_map_budgets(self, client: ClaudeClient) -> None:
        settings = self.settings
        if settings.is_set("daily_budget_usd") or settings.is_set("notebook_budget_usd"):
            client.map_budgets = MapBudgets(settings.daily_budget_usd, settings.notebook_budget_usd)

    def apply_simulation(self) -> str:
        """Switch the simulator on, if the environment asks for it and the user has not said otherwise.

        Returns:
            What the user must know; "" if nothing changed.
        """
        if self.client.replayer is not None:
            return ""  # a tape needs no account, and must not be taken for one
        return self.simulation.decide(self.client.account)

    # Sessions.

    @property
    def session_names(self) -> list[str]:
        """The names of the open sessions."""
        return [info.name for info in self.client.list_sessions()]

    @property
    def open_sessions(self) -> list[Session]:
        """The open sessions; a client is not made for it."""
        client = current_client()
        return [] if client is None else [client.get_session(info.name) for info in client.list_sessions()]

    def offered_tools(self) -> list[ToolInfo]:
        """Return the tools of this kernel that sessions are offered; a client is not made for it."""
        kernel = self.kernel_tools.server(KernelLevel(self.settings.kernel))
        client = current_client()
        infos = [*(kernel.list_tools() if kernel is not None else []), *self.offered.list_tools()]
        return infos + (client.list_tools() if client is not None else [])

    def conversations(self) -> list[Conversation]:
        """Return the earlier conversations that were last used, the latest first."""
        simulated = self.simulation.endpoint
        folder = Path(simulated.config_dir) if simulated is not None else claude_dir(os.environ)
        return recent_conversations(folder / "projects", process_redactor(os.environ))

    def get_session(self, name: str) -> Session:
        """Return an open session.

        Raises:
            UsageError: there is none of this name or id.
        """
        try:
            return self.client.get_session(name)
        except SessionNotFoundError as error:
            raise UsageError(str(error)) from None

    def note_cell(self, turn_id: str) -> None:
        """A prompt was sent from the cell that runs; it comes back when one goes back to before it."""
        history: Any = self.shell.history_manager
        if history is not None and history.input_hist_raw:
            self._cells[turn_id] = history.input_hist_raw[-1]
            while len(self._cells) > _MOST_CELLS:
                del self._cells[next(iter(self._cells))]

    def cell_of(self, turn: Checkpoint) -> str:
        """Return the cell that sent a prompt, or one that would."""
        cell = self._cells.get(turn.turn_id, "")
        return cell if _NAME in cell else f"%%claude\n{turn.prompt}"

    def forget_chain(self, session: Session) -> None:
        """The session stands elsewhere in its conversation: kept answers that came before are not its past."""
        self.answers.forget_chain(session)
        self.named_frames.pop(session.name, None)

    def renamed(self, before: str, session: Session) -> None:
        """A session has another name: what the notebook knows of it is known by that one from now on."""
        if before in self.named_frames:
            self.named_frames[session.name] = self.named_frames.pop(before)
        self.answers.rename(before, session.name)
        self.asker.rename(before, session.name)

    def close_session(self, session: str | Session) -> None:
        """Close a session."""
        self.client.close_session(session)

    def _close_simulated(self) -> list[str]:
        names = [info.name for info in self.client.list_sessions() if info.simulated]
        for name in names:
            self.close_session(name)
        return names
