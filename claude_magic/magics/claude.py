"""`%%claude` and `%claude`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Bool, CUnicode, Enum, Float, Int, List, Unicode, observe

from claude_magic.blocking import ClaudeClient, get_client
from claude_magic.config import DEFAULT_SILENCE_TIMEOUT_S, PERMISSION_MODES, SessionConfig
from claude_magic.display.asking import Asker, can_ask
from claude_magic.display.screen import GuardedScreen, plain_screen
from claude_magic.engine.session import Session
from claude_magic.errors import ClaudeError, ModelNotFoundError, SessionClosedError, SessionNotFoundError
from claude_magic.magics import commands
from claude_magic.magics.answer_cache import Conversation, Keeper, continued
from claude_magic.magics.background import BackgroundRun
from claude_magic.magics.forking import copy_of
from claude_magic.magics.options import Options, parse_options, split_prompt, wants_help
from claude_magic.magics.prompting import (
    Prompt,
    brief_errors,
    check_fits,
    compose,
    describe,
    fill_in_line,
    fill_options,
    frames_note,
    new_config,
    result_value,
)
from claude_magic.magics.resuming import check_conversation
from claude_magic.magics.runner import Runner
from claude_magic.magics.scope import variables_here
from claude_magic.magics.simulation import Simulation
from claude_magic.records.history import History
from claude_magic.response import Outcome, Response


@dataclass(frozen=True)
class _Sent:
    """A prompt on its way.

    Attributes:
        talk: the conversation it belongs to.
        prompt: what is sent.
        key: its key in that conversation.
        is_made: whether its session was made for it.
        keeps: whether its answer is kept.
    """

    talk: Conversation
    prompt: Prompt
    key: str
    is_made: bool
    keeps: bool


@magics_class
class ClaudeMagics(Magics):  # type: ignore[misc]  # IPython publishes no types
    """Claude in the notebook. Settings: `%config ClaudeMagics`, or `c.ClaudeMagics` in ipython_config.py."""

    model = CUnicode("", help="Model of new sessions; empty is the CLI's own default.").tag(config=True)
    permission_mode = Enum(PERMISSION_MODES, "default", help="Permission mode of new sessions.").tag(config=True)
    allowed_tools = List(Unicode(), help="Tools of new sessions that run without asking.").tag(config=True)
    tools = List(Unicode(), None, allow_none=True, help="The only tools of new sessions.").tag(config=True)
    background_tasks = Bool(
        False,
        help="Let subagents and commands of new sessions go on when their cell is over; their report comes later.",
    ).tag(config=True)
    max_sessions = Int(8, min=1, help="CLI processes at the same time.").tag(config=True)
    prewarm = Int(1, min=0, help="Processes kept ready for the next session.").tag(config=True)
    silence_timeout_s = Float(
        DEFAULT_SILENCE_TIMEOUT_S, min=0, help="Seconds that Claude may say nothing; 0 is no limit."
    ).tag(config=True)
    keep = Bool(False, help="Keep every answer, as `%%claude --keep` does: Restart and Run All costs nothing.").tag(
        config=True
    )
    history = Bool(True, help="Keep finished turns (numbers, no texts) for later kernels.").tag(config=True)
    history_texts = Bool(False, help="Keep their prompts, answers and tool inputs too.").tag(config=True)
    nested_loops = Bool(False, help="Let code that calls asyncio.run() be pasted into a cell (nest-asyncio2).").tag(
        config=True
    )

    def __init__(self, shell: Any, **kwargs: Any) -> None:
        self.simulation = Simulation(self._close_simulated)
        self.asker = Asker(lambda: can_ask(shell))
        self.keeper = Keeper()
        self.runner = Runner(shell, lambda: self.client, self.asker)
        self.last_failure: tuple[str, BaseException] | None = None
        self._client: ClaudeClient | None = None
        self._pool_wishes: dict[str, int] = {}
        self._history_wished = False
        self._frames_told: dict[str, frozenset[str]] = {}
        super().__init__(shell, **kwargs)

    @observe("nested_loops")
    def _nested_loops_changed(self, change: Any) -> None:
        if change["new"]:
            _nest()

    @observe("max_sessions", "prewarm")
    def _pool_changed(self, change: Any) -> None:
        self._pool_wishes[change["name"]] = change["new"]
        if self._client is not None:
            self._client.pool = replace(self._client.pool, **self._pool_wishes)

    @observe("silence_timeout_s")
    def _silence_changed(self, change: Any) -> None:
        if self._client is not None:
            for info in self._client.list_sessions():
                self._client.get_session(info.name).silence_timeout_s = change["new"] or None

    @observe("history", "history_texts")
    def _history_changed(self, change: Any) -> None:
        self._history_wished = True
        if self._client is not None:
            self._set_history(self._client)

    def _set_history(self, client: ClaudeClient) -> None:
        path = client.history.path if client.history is not None else None
        client.history = History(path, texts=self.history_texts) if self.history else None

    @property
    def client(self) -> ClaudeClient:
        """The kernel's one client."""
        client = get_client()
        if client is not self._client:
            self._client = client
            client.pool = replace(client.pool, **self._pool_wishes)
            if self._history_wished:
                self._set_history(client)
        if client.ask is None:
            client.ask = self.asker
        return client

    def end(self) -> None:
        """Close the sessions, and let go of the client and the simulator."""
        client, self._client = self._client, None
        if client is not None and not client.is_closed:
            for info in client.list_sessions():
                client.close_session(info.name)
            if client.ask is self.asker:
                client.ask = None
        self.runner.close()
        self.simulation.switch_off()

    @property
    def base(self) -> SessionConfig:
        """What a new session starts from: the client's configuration, with the settings of these magics."""
        config = self.client.config
        try:
            folder = Path.cwd()
        except FileNotFoundError:
            raise UsageError("The kernel's working folder is gone: change to another one with %cd.") from None
        silence = self._is_set("silence_timeout_s")
        return config.replace(
            model=self.model or config.model,
            permission_mode=self.permission_mode if self._is_set("permission_mode") else config.permission_mode,
            allowed_tools=tuple(self.allowed_tools) or config.allowed_tools,
            tools=config.tools if self.tools is None else tuple(self.tools),
            silence_timeout_s=(self.silence_timeout_s or None) if silence else config.silence_timeout_s,
            background_tasks=self.background_tasks or config.background_tasks,
            working_dir=folder,
            simulated=self.simulation.endpoint or config.simulated,
        )

    def _is_set(self, name: str) -> bool:
        return bool(getattr(self, name) != self.traits()[name].default_value)

    # The magics.

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython publishes no types
    @cell_magic  # type: ignore[untyped-decorator]  # likewise
    def claude(self, line: str, cell: str) -> None:
        """Prompt Claude with the cell; `%claude` lists the options."""
        if wants_help(line):
            self.claude_line("help")
        elif cell.strip():
            self.prompt(parse_options(line), cell)
        else:
            options, text = split_prompt(line)
            if text.strip() and not options.quiet:
                print("The first line is taken as the prompt; a longer one goes below it.")
            self.prompt(options, text)

    @no_var_expand  # type: ignore[untyped-decorator]  # likewise
    @line_magic("claude")  # type: ignore[untyped-decorator]  # likewise
    def claude_line(self, line: str) -> Any:
        """Ask, look at, and steer sessions; alone it shows status and help."""
        word, _, rest = line.strip().partition(" ")
        if wants_help(line) or (word == "ask" and wants_help(rest)):
            word, rest = "help", ""
        if word == "ask":
            options, text = split_prompt(rest)
            if not text.strip():
                raise UsageError("%claude ask needs a prompt on the same line. Nothing was sent.")
            return self.prompt(options, text)
        if word == "fix":
            options, text = split_prompt(rest)
            return self.prompt(options, commands.fix_prompt(self.last_failure, text), typed=False)
        with brief_errors():
            if "{" in rest and word in commands.COMMANDS:
                rest = fill_in_line(f"%claude {word}", rest, variables_here(self.shell), self.shell)
            return commands.run(self, "status" if word in ("", "help", "?") else word, rest.strip())

    # One prompt.

    def prompt(self, options: Options, body: str, *, typed: bool = True) -> None:
        """Send a prompt and show what comes; `_claude` and `-o VAR` get the response.

        Args:
            options: the options of the cell.
            body: the prompt.
            typed: whether a person typed it; if not, nothing is filled in and nothing in it is a command.

        Raises:
            UsageError: something is wrong with the options or the prompt; nothing was sent.
            ClaudeError: the turn failed.
            KeyboardInterrupt: the cell was stopped; text and session are kept.
        """
        with brief_errors():
            variables = variables_here(self.shell)
            options = fill_options(options, variables, self.shell)
            prompt = compose(options if typed else replace(options, raw=True), body, variables, self.shell)
            config, is_open = self._planned(options)
            prompt = self._with_hint(prompt, options, is_open=is_open)
            if options.dry_run:
                print(describe(prompt, config, options.session, is_open))
                return
            told = self.follow_wish()
            if told:
                prompt = replace(prompt, notes=(told, *prompt.notes))
            answer = self._send(options, prompt, literal=prompt.literal or not typed)
            if options.output:
                self.shell.user_ns[options.output] = answer

    def _with_hint(self, prompt: Prompt, options: Options, *, is_open: bool) -> Prompt:
        """Add a note about DataFrames that Claude cannot see; once for each in a conversation."""
        known = self._frames_told.get(options.session, frozenset()) if is_open else frozenset()
        unknown = [name for name in prompt.frames if name not in known]
        if not options.dry_run:
            self._frames_told[options.session] = known | prompt.sent | set(unknown)
        note = frames_note(unknown)
        return replace(prompt, notes=(*prompt.notes, note)) if note else prompt

    def _planned(self, options: Options) -> tuple[SessionConfig, bool]:
        base = self.base if options.fork is None else copy_of(self.known(options.fork))
        config = new_config(options, base)
        is_open = options.session in self._open_names() and not options.new
        if is_open:
            session = self.client.get_session(options.session)
            check_fits(session, options, config)
            config = session.config.replace(model=options.model or session.config.model)
        elif options.resume is not None:
            check_conversation(config)
        return config, is_open

    def follow_wish(self) -> str:
        """Switch the simulator on, if the environment wishes it and nobody has said otherwise.

        Returns:
            What the user must know; "" if nothing changed.
        """
        if self.client.player is not None:
            return ""  # a tape needs no account, and must not be taken for one
        return self.simulation.decide(self.client.account)

    def _send(self, options: Options, prompt: Prompt, *, literal: bool) -> Any:
        """Answer a prompt from what is kept, or have it run; return what `-o VAR` gets."""
        is_made = self._open(options)
        session = self.client.get_session(options.session)
        talk = self.keeper.conversation(session)
        config = session.config.replace(
            model=options.model or session.config.model,
            permission_mode=options.permission_mode or session.config.permission_mode,
        )
        key = talk.key(prompt.content, config, literal=literal, schema=prompt.schema)
        keeps = (options.keep or options.fresh or self.keep) and self.client.player is None
        kept = self.keeper.runs.find(key) if keeps and not options.fresh else None
        if kept is not None:
            talk.went_on(key, kept.response, kept=kept)
            value = result_value(prompt, self._show_kept(session, options, prompt, kept.response))
            return BackgroundRun.over(session.name, value) if options.bg else value
        sent = _Sent(self._caught_up(talk), prompt, key, is_made=is_made, keeps=keeps)
        if options.bg:
            return self._start(sent, options, literal=literal)
        return self._finish(sent, lambda: self.runner.run(sent.talk.session, options, prompt, literal=literal))

    def _start(self, sent: _Sent, options: Options, *, literal: bool) -> BackgroundRun:
        def finish(follow: Callable[[], Response]) -> Any:
            try:
                return self._finish(sent, follow)
            finally:
                sent.talk.under_way.discard(sent.key)

        session = sent.talk.session
        sent.talk.under_way.add(sent.key)
        try:
            return self.runner.start(session, options, sent.prompt, literal=literal, finish=finish)
        except BaseException:
            sent.talk.under_way.discard(sent.key)
            raise

    def _finish(self, sent: _Sent, follow: Callable[[], Response]) -> Any:
        """Wait for the response to what was sent, and remember it; return what `-o VAR` gets."""
        talk = sent.talk
        try:
            response = follow()
        except (ModelNotFoundError, SessionNotFoundError):
            # Begun with a model or a conversation that does not exist, it would fail again and again.
            if sent.is_made or talk.session.is_fresh:
                with suppress(SessionClosedError):  # another session may have its name by now
                    self.close(talk.session)
            raise
        if sent.keeps and response.outcome is Outcome.SUCCESS and not talk.is_lost:
            self._keep(sent.key, response, talk.session)
        talk.went_on(sent.key, response)
        return result_value(sent.prompt, response)

    def _caught_up(self, talk: Conversation) -> Conversation:
        """Make sure that the session knows the kept answers before, as far as the CLI still has them."""
        if talk.tail is None:
            return talk
        session = talk.session
        config = continued(session.config, talk.tail)
        if config is None:
            print("What was said before is kept here only: Claude does not know it any more, and begins anew.")
            talk.lost()
            return talk
        self.close(session.name)
        return self.keeper.moved(talk, self.client.create_session(config, session.name))

    def _keep(self, key: str, response: Response, session: Session) -> None:
        try:
            self.keeper.runs.keep(key, response, session.redactor)
        except Exception as error:  # the answer itself is there
            words = error.strerror if isinstance(error, OSError) else error
            print(f"The answer could not be kept in {self.keeper.runs.folder}: {words}.")

    def _show_kept(self, session: Session, options: Options, prompt: Prompt, kept: Response) -> Response:
        """Show a kept run as what it is, and as it was."""
        response = replace(kept, session=session.name)
        screen = GuardedScreen(
            plain_screen(self.shell, session=session.name, model=response.model, simulated=False, quiet=options.quiet)
        )
        for words in prompt.notes:
            screen.note(words)
        screen.add(response.messages)
        screen.finish(response, {"session_cost_usd": session.cost_usd})
        self.shell.user_ns["_claude"] = response
        return response

    def _open(self, options: Options) -> bool:
        """Make sure that the session is there, with settings that fit; return whether it had to be made."""
        config, is_open = self._planned(options)
        if is_open:
            return False
        if options.session in self._open_names():
            self.close(options.session)
        self.client.create_session(config, options.session)
        return True

    def _open_names(self) -> list[str]:
        return [info.name for info in self.client.list_sessions()]

    def known(self, name: str) -> Session:
        """Return an open session.

        Raises:
            UsageError: there is none of this name or id.
        """
        try:
            return self.client.get_session(name)
        except SessionNotFoundError as error:
            raise UsageError(str(error)) from None

    def close(self, name: str | Session) -> None:
        """Close a session."""
        self.client.close_session(name)

    def _close_simulated(self) -> list[str]:
        names = [info.name for info in self.client.list_sessions() if info.simulated]
        for name in names:
            self.close(name)
        return names

    def after_cell(self, result: Any) -> None:
        """Remember its error, for `%claude fix`, and show what has ended in the background; called after every cell."""
        error = result.error_in_exec or result.error_before_exec
        ours = isinstance(error, ClaudeError | UsageError | KeyboardInterrupt)
        if error is not None and not ours and result.info is not None:
            self.last_failure = (str(result.info.raw_cell or ""), error)
        self.runner.finished.tell()


def _nest() -> None:
    import nest_asyncio2

    nest_asyncio2.apply()
