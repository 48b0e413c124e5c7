"""`ConversationVerbs`: what a client does with its conversations beside prompting them."""

from __future__ import annotations

from typing import Any

from claude_magic.engine.checkpoints import Checkpoint
from claude_magic.engine.going_back import go_back, go_forward, undo
from claude_magic.engine.pool import SessionPool
from claude_magic.engine.registry import SessionRegistry, activity_of
from claude_magic.engine.rewind import Rewind
from claude_magic.engine.session import Session, managed
from claude_magic.engine.session_info import SessionActivity
from claude_magic.engine.turn_queue import QueuedPrompt
from claude_magic.lenient import mappings


class ConversationVerbs:
    """The prompts that wait, going back, and how a conversation stands: a part of `AsyncClaudeClient`."""

    _sessions: SessionRegistry
    _pool: SessionPool

    def get_session(self, name: str | Session) -> Session:
        """Return a session by its name, or by any id its conversation ever had.

        Raises:
            SessionNotFoundError: there is none.
            SessionClosedError: the handle is of a session that was closed.
        """
        return self._sessions.get(name)

    def rename_session(self, session: str | Session, name: str) -> None:
        """Give a session another name. What is on record keeps the old one, and the session's id, which joins both.

        Raises:
            ValueError: the name is taken or empty, or the session is at work.
            SessionNotFoundError: there is no such session.
        """
        self._sessions.rename(self.get_session(session), name)

    def list_activity(self) -> dict[str, SessionActivity]:
        """Return what each open session does now, by its name."""
        return {session.name: activity_of(managed(session)) for session in self._sessions}

    async def connect(self, session: str | Session) -> dict[str, Any]:
        """Start a session's process ahead of its first prompt, and return what the CLI says of itself.

        Returns:
            The answer to `initialize`: `account`, `models`, `commands` and more.

        Raises:
            CLINotFoundError: there is no CLI.
            ProcessError: it does not start.
        """
        target = managed(self.get_session(session))
        async with target.queue.between_turns(), self._pool.lease(target) as connection:
            return connection.info

    # Prompts that wait.

    def list_queued(self, session: str | Session) -> list[QueuedPrompt]:
        """Return the prompts that wait in a session, the next one first."""
        target = managed(self.get_session(session))
        return target.queue.listed(target.redactor)

    def withdraw(self, session: str | Session, turn_id: str) -> None:
        """Drop a prompt that waits; its turn ends as interrupted, and has cost nothing.

        Args:
            session: name, id or handle.
            turn_id: uuid of the prompt, as `list_queued` has it.

        Raises:
            ValueError: it does not wait, or no longer.
        """
        managed(self.get_session(session)).withdraw(turn_id)

    def edit_queued(self, session: str | Session, turn_id: str, text: str) -> None:
        """Give a prompt that waits other words; what was attached to it stays. Raises as `withdraw` does."""
        managed(self.get_session(session)).queue.find(turn_id).rewrite(text)

    def move_queued(self, session: str | Session, turn_id: str, place: int) -> None:
        """Give a prompt that waits another place, from 1. Raises as `withdraw` does."""
        queue = managed(self.get_session(session)).queue
        queue.move(queue.find(turn_id), place)

    def steer(self, session: str | Session, turn_id: str) -> None:
        """Send a prompt that waits in now: Claude reads it with the next step of the running turn, after a tool.

        It has no response of its own then: its own is empty, and what comes of it stands in that of the running turn.
        A turn that ends without such a step, or a prompt that asks for a model, a mode, a schema or a command, makes
        it the next turn. Raises as `withdraw` does.
        """
        managed(self.get_session(session)).steer(turn_id)

    async def undo(self, session: str | Session, *, dry_run: bool = False) -> Rewind:
        """Restore the files as they were before the last turn of a session that edited any.

        Covered is what the CLI's own editing tools changed; what Bash did is not. Calling it again goes one such
        turn further back. The conversation keeps what was said.

        Args:
            session: name, id or handle.
            dry_run: only say what would change.

        Raises:
            ControlError: the CLI cannot restore them.
        """
        return await undo(managed(self.get_session(session)), self._pool, dry_run=dry_run)

    async def mcp_status(self, session: str | Session) -> list[dict[str, Any]]:
        """Return how the MCP servers of a session stand, as its CLI lists them; empty while it has no process.

        Raises:
            ControlError: the CLI does not say.
        """
        connection = managed(self.get_session(session)).connection
        answer = await connection.request("mcp_status") if connection is not None else {}
        return mappings(answer.get("mcpServers"))

    async def context_usage(self, session: str | Session) -> dict[str, Any]:
        """Return what fills the model's window, as the CLI counts it: `totalTokens`, `maxTokens`, `categories`, ….

        Raises:
            ControlError: the CLI does not say.
        """
        target = managed(self.get_session(session))
        if target.connection is not None:
            return await target.connection.request("get_context_usage")
        async with target.queue.between_turns(), self._pool.lease(target) as connection:
            return await connection.request("get_context_usage")

    def list_turns(self, session: str | Session) -> list[Checkpoint]:
        """Return the turns of a session that one can go back to, oldest first."""
        return managed(self.get_session(session)).checkpoints.listed

    async def rewind(
        self,
        session: str | Session,
        turn_id: str,
        *,
        files: bool = True,
        conversation: bool = True,
        dry_run: bool = False,
    ) -> Rewind:
        """Go back to before a turn: the files as they were then, the conversation as it was then, or both.

        What the CLI's own editing tools changed is restored; what commands changed is not, and is named. The next
        prompt goes on from there, in a copy of the conversation; `redo` takes all of it back until then.

        Args:
            session: name, id or handle.
            turn_id: uuid of the turn's prompt, as `list_turns` has it.
            files: restore files.
            conversation: forget the turn and what came after it.
            dry_run: only say what would change, with the difference.

        Raises:
            ValueError: there is no such turn, or its conversation cannot be taken back.
            ControlError: the CLI cannot restore the files.
        """
        target = managed(self.get_session(session))
        return await go_back(target, self._pool, turn_id, files=files, conversation=conversation, dry_run=dry_run)

    async def redo(self, session: str | Session) -> Rewind:
        """Take the last `rewind` back, as long as no turn has run since; files that were changed since stay.

        Raises:
            ValueError: there is nothing to take back.
        """
        return await go_forward(managed(self.get_session(session)), self._pool)
