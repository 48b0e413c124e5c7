"""One prompt of a cell, all the way: compose it, open its session, submit it or find its kept answer, record it."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from claude_magic.background_loop import in_thread
from claude_magic.config import SessionConfig
from claude_magic.display.turn_display import GuardedDisplay, TerminalDisplay, plain_display
from claude_magic.engine.session import Session, managed
from claude_magic.engine.turn import prompt_text
from claude_magic.errors import ModelNotFoundError, SessionClosedError, SessionNotFoundError
from claude_magic.kernel.level import KernelLevel
from claude_magic.magics.answer_cache import CachedSession, continued
from claude_magic.magics.background import BackgroundRun
from claude_magic.magics.cell_references import cells_above, with_cells
from claude_magic.magics.context import NotebookContext
from claude_magic.magics.conversations import check_conversation, copy_of
from claude_magic.magics.mcp_command import with_servers
from claude_magic.magics.options import Options
from claude_magic.magics.prompting import (
    Prompt,
    brief_errors,
    check_fits,
    compose,
    fill_options,
    frames_note,
    new_config,
    result_value,
)
from claude_magic.magics.runner import RunningTurn
from claude_magic.magics.scope import variables_here
from claude_magic.magics.sent_parts import dry_run_words
from claude_magic.response import Outcome, Response


def run_prompt(context: NotebookContext, options: Options, body: str, *, typed: bool = True) -> None:
    """Send a prompt and show what comes; `_claude` and `-o VAR` get the response.

    Args:
        context: what the magics share.
        options: the options of the cell.
        body: the prompt.
        typed: whether a person typed it; if not, nothing is filled in and nothing in it is a command.

    Raises:
        UsageError: something is wrong with the options or the prompt; nothing was sent.
        ClaudeError: the turn failed.
        KeyboardInterrupt: the cell was stopped; text and session are kept.
    """
    with brief_errors():
        variables = variables_here(context.shell)
        variables = with_cells(context, variables)
        options = fill_options(options, variables, context.shell)
        above = cells_above(context, options.cells_above) if options.cells_above else []
        prompt = compose(options if typed else replace(options, raw=True), body, variables, context.shell, above)
        config, is_open = _plan_session(context, options)
        level = context.kernel_level(options.kernel, config, options.permission_mode)
        prompt = _with_hint(context, prompt, options, is_open=is_open, can_look=level is not KernelLevel.OFF)
        if options.offer:
            context.offer(options.offer, variables)
        if options.dry_run:
            _show_what_would_be_sent(context, prompt, config, options.session, is_open, level)
            return
        notice = context.apply_simulation()
        if notice:
            prompt = replace(prompt, notes=(notice, *prompt.notes))
        value = _answer(context, options, prompt, literal=prompt.literal or not typed)
        if options.output:
            context.shell.user_ns[options.output] = value


def _show_what_would_be_sent(
    context: NotebookContext, prompt: Prompt, config: SessionConfig, session: str, is_open: bool, level: KernelLevel
) -> None:
    """Print what `--dry-run` shows, secrets masked."""
    words = dry_run_words(prompt.values, prompt.texts, prompt.notes, config, session, is_open, level, prompt.schema)
    masked = context.kernel_tools.secrets().text(words)
    print(masked)
    if masked != words:
        print("\nWhere [redacted …] stands here, the secret itself would be sent.")


def _with_hint(context: NotebookContext, prompt: Prompt, options: Options, *, is_open: bool, can_look: bool) -> Prompt:
    """Add a note about DataFrames that are named and not sent; once for each in a session."""
    known = context.named_frames.get(options.session, frozenset()) if is_open else frozenset()
    unknown = [name for name in prompt.frames if name not in known]
    if not options.dry_run:
        context.named_frames[options.session] = known | prompt.sent | set(unknown)
    note = frames_note(unknown, can_look=can_look)
    return replace(prompt, notes=(*prompt.notes, note)) if note else prompt


# The session.


def _plan_session(context: NotebookContext, options: Options) -> tuple[SessionConfig, bool]:
    """Return the settings of the session that a prompt goes to, and whether it is open."""
    base = context.base_config if options.fork is None else copy_of(context.get_session(options.fork))
    if options.mcp:
        base = with_servers(context, options.mcp, base, ask=not options.dry_run)
    config = new_config(options, base)
    is_open = options.session in context.session_names and not options.new
    if is_open:
        session = context.client.get_session(options.session)
        check_fits(session, options, config)
        config = session.config.replace(model=options.model or session.config.model)
    elif options.resume is not None:
        check_conversation(config)
    return config, is_open


def _open_session(context: NotebookContext, options: Options) -> bool:
    """Make sure that the session is there, with settings that fit; return whether it had to be created."""
    config, is_open = _plan_session(context, options)
    if is_open:
        return False
    if options.session in context.session_names:
        context.close_session(options.session)
    context.client.create_session(config, options.session)
    return True


# The answer.


@dataclass(frozen=True)
class _PendingPrompt:
    """A prompt that is to be answered.

    Attributes:
        cached: the session it goes to, as the cache knows it.
        prompt: what is sent.
        key: its key in that session.
        created_session: whether its session was created for it.
        keeps: whether its answer is kept.
    """

    cached: CachedSession
    prompt: Prompt
    key: str
    created_session: bool
    keeps: bool


def _answer(context: NotebookContext, options: Options, prompt: Prompt, *, literal: bool) -> Any:
    """Answer a prompt from what is kept, or submit it; return what `-o VAR` gets."""
    created = _open_session(context, options)
    session = context.client.get_session(options.session)
    cached = context.answers.get(session)
    config = session.config.replace(
        model=options.model or session.config.model,
        permission_mode=options.permission_mode or session.config.permission_mode,
    )
    key = cached.check_chain().key(prompt.content, config, literal=literal, schema=prompt.schema)
    keeps = (options.keep or options.fresh or context.settings.keep) and context.client.replayer is None
    kept = context.answers.store.find(key) if keeps and not options.fresh else None
    if kept is not None:
        stale = context.kernel_tools.stale_names(kept.response.messages)
        if stale:
            words = f"this kept answer looked at {', '.join(stale)}, which changed since; --fresh asks again"
            prompt = replace(prompt, notes=(*prompt.notes, words))
        cached.advance(key, kept.response, kept=kept)
        value = result_value(prompt, _show_kept(context, session, options, prompt, kept.response))
        return BackgroundRun.over(session.name, value) if options.bg else value
    cached = _with_context(context, cached)
    session = cached.session
    pending = _PendingPrompt(cached, prompt, key, created, keeps)
    if options.bg:
        return _in_background(context, options, pending, literal=literal)
    turn = _submit(context, session, options, prompt, literal=literal)
    return _finish(context, pending, turn)


def _submit(
    context: NotebookContext, session: Session, options: Options, prompt: Prompt, *, literal: bool
) -> RunningTurn:
    """Submit a prompt with what it is offered of this kernel."""
    level = context.kernel_level(options.kernel, session.config, options.permission_mode)
    turn = context.runner.submit(
        context.client, session, options, prompt, literal=literal, kernel=level, tool_servers=[context.offered]
    )
    context.note_cell(turn.stream.turn_id)
    context.watch.look()
    return turn


def _in_background(
    context: NotebookContext, options: Options, pending: _PendingPrompt, *, literal: bool
) -> BackgroundRun:
    """Submit a prompt; wait for its response, and record it, on a thread of its own."""
    cached = pending.cached
    session = cached.session

    def finish() -> Any:
        try:
            with brief_errors():
                return _finish(context, pending, turn)
        finally:
            cached.under_way.discard(pending.key)

    cached.under_way.add(pending.key)
    try:
        turn = _submit(context, session, options, pending.prompt, literal=literal)
        try:
            answer = in_thread(finish, name=f"claude-magic-{session.name}")
        except BaseException:
            turn.close()
            raise
    except BaseException:
        cached.under_way.discard(pending.key)
        raise
    run = BackgroundRun(session.name, answer, turn.stream.stop_soon)
    if isinstance(turn.display.inner, TerminalDisplay):
        print(f"The session {session.name!r} works in the background: `%claude stop {session.name}` ends it.")
    context.runner.finished.watch(run, lambda: turn.display.replay_output() + ("" if turn.left else run.failure))
    return run


def _finish(context: NotebookContext, pending: _PendingPrompt, turn: RunningTurn) -> Any:
    """Wait for the response to a prompt and record it; return what `-o VAR` gets."""
    cached = pending.cached
    session = cached.session
    try:
        response = turn.wait()
    except (ModelNotFoundError, SessionNotFoundError):
        # Begun with a model or a conversation that does not exist, it would fail again and again.
        if pending.created_session or managed(session).is_fresh:
            with suppress(SessionClosedError):  # another session may have its name by now
                context.close_session(session)
        raise
    key = pending.key if _is_as_asked(pending, response) else uuid.uuid4().hex
    if pending.keeps and key == pending.key and response.outcome is Outcome.SUCCESS and not cached.is_lost:
        _keep(context, key, response, session)
    cached.advance(key, response)
    return result_value(pending.prompt, response)


def _is_as_asked(pending: _PendingPrompt, response: Response) -> bool:
    """Whether a response answers the very prompt: one that waited may have been edited, or read with another turn."""
    asked = managed(pending.cached.session).redactor.text(prompt_text(pending.prompt.content))
    return response.sent and response.prompt == asked


def _with_context(context: NotebookContext, cached: CachedSession) -> CachedSession:
    """Make sure that the session knows the kept answers before, as far as the CLI still has them."""
    if cached.tail is None:
        return cached
    session = cached.session
    config = continued(session.config, cached.tail)
    if config is None:
        print("What was said before is kept here only: Claude does not know it any more, and begins anew.")
        cached.forget_context()
        return cached
    context.close_session(session.name)
    return context.answers.rebind(cached, context.client.create_session(config, session.name))


def _keep(context: NotebookContext, key: str, response: Response, session: Session) -> None:
    store = context.answers.store
    try:
        store.keep(key, response, managed(session).redactor)
    except Exception as error:  # the answer itself is there
        reason = error.strerror if isinstance(error, OSError) else error
        print(f"The answer could not be kept in {store.folder}: {reason}.")


def _show_kept(
    context: NotebookContext, session: Session, options: Options, prompt: Prompt, kept: Response
) -> Response:
    """Show a kept answer as what it is, and as it was."""
    response = replace(kept, session=session.name)
    source = response.source
    plain = plain_display(context.shell, session=session.name, model=response.model, source=source, quiet=options.quiet)
    display = GuardedDisplay(plain)
    for note in prompt.notes:
        display.note(note)
    display.add(response.messages)
    display.finish(response, {"session_cost_usd": session.cost_usd})
    context.shell.user_ns["_claude"] = response
    return response
