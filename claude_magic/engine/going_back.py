"""Going back to a turn of a session: its files, its conversation, or both; and forward again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from claude_magic.config import SessionConfig
from claude_magic.engine.checkpoints import TurnEdits, difference
from claude_magic.engine.managed_session import ManagedSession
from claude_magic.engine.pool import SessionPool
from claude_magic.engine.rewind import Rewind, rewind_files

_MOST_KEPT_BYTES = 50_000_000
"""What files may take that are kept for going forward again."""


@dataclass(frozen=True)
class WayBack:
    """What going forward again needs.

    Attributes:
        turns: those that were gone back from.
        config: the settings before; `None` where the conversation was left alone.
        was_fresh: whether it had not begun then.
        files: contents of the files before; `None` for one that was not there.
        after: the same after going back: who has changed one since keeps it.
    """

    turns: list[TurnEdits]
    config: SessionConfig | None
    was_fresh: bool
    files: dict[str, bytes | None] = field(default_factory=dict)
    after: dict[str, bytes | None] = field(default_factory=dict)


async def go_back(
    session: ManagedSession, pool: SessionPool, turn_id: str, *, files: bool, conversation: bool, dry_run: bool
) -> Rewind:
    """Go back to before a turn; see `AsyncClaudeClient.rewind`."""
    if not files and not conversation:
        raise ValueError("Say what to take back: files, the conversation, or both.")
    async with session.queue.between_turns():
        turns = session.checkpoints.since(turn_id)
        origin = _origin(session, turn_id) if conversation else None
        rewind = Rewind(done=not dry_run)
        folder = session.config.working_dir
        way = WayBack(turns, session.config if conversation else None, session.is_fresh)
        if files and any(turn.created for turn in turns):
            rewind, way = await _files(session, pool, turn_id, turns, way, dry_run=dry_run)
        lost = tuple(dict.fromkeys(path for turn in turns for path in turn.checkpoint.not_restorable)) if files else ()
        rewind = replace(rewind, not_restorable=lost, turns=tuple(turn.checkpoint for turn in turns))
        if dry_run:
            diff = await asyncio.to_thread(difference, turns, folder) if files else ""
            return replace(rewind, diff=diff)
        if origin is not None:
            await pool.release(session)
            session.begin_from(origin)
            session.checkpoints.cut(turn_id)
        session.way_back = way
        return rewind


async def _files(
    session: ManagedSession, pool: SessionPool, turn_id: str, turns: list[TurnEdits], way: WayBack, *, dry_run: bool
) -> tuple[Rewind, WayBack]:
    """Restore the files, or look what that would change; what they are now is kept."""
    created: dict[str, bool] = {}
    for turn in turns:
        created = {**turn.created, **created}
    async with pool.lease(session) as connection:
        rewind = await rewind_files(connection, turn_id, created, dry_run=True)
        if dry_run:
            return rewind, way
        kept = await asyncio.to_thread(_contents, rewind.files)
        rewind = await rewind_files(connection, turn_id, created, dry_run=False)
        after = await asyncio.to_thread(_contents, rewind.files)
    return rewind, replace(way, files=kept, after=after)


def _origin(session: ManagedSession, turn_id: str) -> SessionConfig:
    """Return the settings with which the conversation goes on before a turn.

    Raises:
        ValueError: it was resumed, and this is its first turn here: what came before cannot be told from it.
    """
    before = session.checkpoints.before(turn_id)
    if before is not None:
        return session.config.replace(resume=before.session_id, fork=True, resume_at=before.answer_id)
    if session.first_config.resume is not None and not session.first_config.fork:
        raise ValueError(
            "This is the first turn here of a conversation that was resumed; only its files can be taken back."
        )
    return session.first_config


async def undo(session: ManagedSession, pool: SessionPool, *, dry_run: bool) -> Rewind:
    """Restore the files as they were before the last turn that edited any; see `AsyncClaudeClient.undo`."""
    last, turn = session.checkpoints.last, session.checkpoints.last_editing()
    lost = last.not_restorable if last is not None else ()
    if turn is None:
        return Rewind(done=not dry_run, not_restorable=lost)
    async with session.queue.between_turns(), pool.lease(session) as connection:
        turn_id = turn.checkpoint.turn_id
        rewind = await rewind_files(connection, turn_id, turn.created, dry_run=dry_run)
        if not dry_run:
            session.checkpoints.forget_edits(turn_id)
    return replace(rewind, not_restorable=lost or turn.checkpoint.not_restorable)


async def go_forward(session: ManagedSession, pool: SessionPool) -> Rewind:
    """Take going back back; see `AsyncClaudeClient.redo`."""
    async with session.queue.between_turns():
        way = session.way_back
        if way is None:
            raise ValueError("There is nothing to go forward to: nothing was gone back from, or a turn ran since.")
        changed = await asyncio.to_thread(_write_back, way)
        if way.config is not None:
            await pool.release(session)
            session.begin_from(way.config, fresh=way.was_fresh)
            session.checkpoints.put_back(way.turns)
        session.way_back = None
        written = tuple(path for path in way.files if path not in changed)
        return Rewind(written, not_restorable=tuple(changed), done=True)


def _contents(paths: Iterable[str]) -> dict[str, bytes | None]:
    """Return the contents of files, as far as they are not too large; `None` for one that is not there."""
    found: dict[str, bytes | None] = {}
    left = _MOST_KEPT_BYTES
    for path in paths:
        try:
            size = os.stat(path).st_size
            if size > left:
                continue
            left -= size
            found[path] = Path(path).read_bytes()
        except FileNotFoundError:
            found[path] = None
        except OSError:
            continue
    return found


def _write_back(way: WayBack) -> list[str]:
    """Write files as they were before going back; return those that were changed since, which are left alone."""
    now = _contents(way.files)
    changed = [path for path in way.files if now.get(path) != way.after.get(path)]
    for path, content in way.files.items():
        if path in changed:
            continue
        if content is None:
            Path(path).unlink(missing_ok=True)
        else:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(content)
    return changed
