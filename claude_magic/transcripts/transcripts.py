"""`read_transcripts`: the CLI's own session files as DataFrames."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from claude_magic.engine.prices import price_table
from claude_magic.records.message_records import MessageRecord
from claude_magic.redaction import process_redactor
from claude_magic.transcripts.cache import TranscriptCache
from claude_magic.transcripts.discover import Since, find_files, find_root

if TYPE_CHECKING:
    import pandas as pd

    from claude_magic.records.plots import Plots
    from claude_magic.transcripts.history import SessionHistory


def read_transcripts(
    root: str | os.PathLike[str] | None = None,
    since: Since = None,
    project: str | os.PathLike[str] | None = None,
    *,
    cache: bool | str | os.PathLike[str] = True,
) -> Transcripts:
    """Read the CLI's session files, those of subagents included.

    Example::

        transcripts = read_transcripts()
        transcripts.turns().groupby("session")["cost_usd"].sum()

    Large amounts are read with the help of a few processes, which end with the call. What was read before is kept in a
    cache, so that only what is new has to be read; it holds prompts, answers and tool inputs, cut at 10,000 characters,
    for the user's eyes only. Secret values of this process's environment and of its sessions are replaced in every
    text.

    Args:
        root: a configuration folder of the CLI, its `projects`, or any folder or file of sessions. `None` is the
            user's: `CLAUDE_CONFIG_DIR`, else `~/.claude`.
        since: leave out sessions whose files did not change since then: a `datetime`, a `date`, a `timedelta` before
            now, "2d", "90m", or "2026-11-01". A session that did change is read whole.
        project: only the sessions of this folder: its path, or its last part.
        cache: whether to use the cache, or the folder to keep it in.

    Returns:
        The history as it is now; it does not follow the files. Where the cache may be used, nothing has changed and
        the result of an earlier call is still held, it is the same object, whose frames are made already.

    Raises:
        FileNotFoundError: `root` was given and does not exist.
        ValueError: `since` is not a time.

    Warns:
        UserWarning: once, naming the models that have no price; what they cost is NA.
    """
    from claude_magic.transcripts.history import key_of, read_history  # brings pandas along

    folder = find_root(root, os.environ)
    files = find_files(folder, since, project)
    redactor = process_redactor(os.environ)
    kept_in = None if cache is False else TranscriptCache(None if cache is True else Path(cache), folder)
    key = key_of(files)
    found = _held.get((folder, kept_in.path, key)) if kept_in is not None else None
    if found is None or found._history.redactor.secrets != redactor.secrets:
        history = read_history(files, kept_in, key, redactor, is_all=since is None and project is None)
        found = Transcripts(folder, history)
        if kept_in is not None and not history.notes.unreadable:
            _held[folder, kept_in.path, key] = found
    unpriced = found._history.notes.unpriced
    if unpriced:
        names, day = ", ".join(sorted(unpriced)), price_table().checked
        warnings.warn(f"No price is known for {names} (prices of {day}); what they cost is NA.", stacklevel=2)
    return found


_held: WeakValueDictionary[tuple[Path, Path, str], Transcripts] = WeakValueDictionary()
"""What was returned and is still in use, by its folder, the file of its cache, and what it was made of."""


class Transcripts:
    """What the session files tell, as DataFrames with the columns of the live frames.

    Tokens count once for each (message id, request id), as the last record tells them; what a fork or a compaction
    copied counts once. A file cannot know everything: permission, ttft_s, pid, state and workspace_id are NA. Money is
    estimated from the list prices in `prices.toml`. A session's name is its title, else how its first prompt began and
    the beginning of its id.

    Attributes:
        root: the folder they were read from.
        record_types: how many records of each type the files have, those that no frame shows included.
        broken: how many lines could not be used.
    """

    def __init__(self, root: Path, history: SessionHistory) -> None:
        self.root = root
        self.record_types: dict[str, int] = dict(sorted(history.notes.types.items()))
        self.broken = history.notes.broken
        self._history = history

    def __repr__(self) -> str:
        files = self._history.files
        size = sum(file.size for file in files) / 1e6
        broken = f", {self.broken} broken lines" if self.broken else ""
        return f"<Transcripts of {self.root}: {len(files)} files, {size:,.1f} MB{broken}>"

    @property
    def problems(self) -> pd.DataFrame:
        """The lines that could not be used: file, line (from 1), offset in bytes, reason.

        A half-written last line is among them, and is looked at again the next time. Of one file at most 1,000 are
        named; `broken` counts all. A file that cannot be read at all has line 0.
        """
        return self._history.problems()

    def sessions(self) -> pd.DataFrame:
        """Return one row per session, oldest first."""
        return self._history.frame("sessions")

    def turns(self) -> pd.DataFrame:
        """Return one row per prompt, oldest first: tokens and cost with the subagents that worked for it."""
        return self._history.frame("turns")

    def tools(self) -> pd.DataFrame:
        """Return one row per tool use, oldest first; one whose result is missing has no duration."""
        return self._history.frame("tools")

    def usage(self) -> pd.DataFrame:
        """Return one row per API message, oldest first: its tokens and what they cost."""
        return self._history.frame("usage")

    def messages(self) -> pd.DataFrame:
        """Return one row per message that a person would read, all in memory; see `iter_messages`."""
        return _messages_frame(list(self._history.messages()))

    def iter_messages(self, chunk: int = 10_000) -> Iterator[pd.DataFrame]:
        """Yield the messages in frames of at most `chunk` rows, read from the files as they are asked for.

        Raises:
            ValueError: `chunk` is below 1.
        """
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1, not {chunk}.")
        return self._chunks(chunk)

    @property
    def plots(self) -> Plots:
        """The history as pictures; needs matplotlib (extra `plots`)."""
        from claude_magic.records.plots import Plots

        return Plots(self)

    def _chunks(self, chunk: int) -> Iterator[pd.DataFrame]:
        messages = self._history.messages()
        while rows := list(islice(messages, chunk)):
            yield _messages_frame(rows)


def _messages_frame(rows: list[MessageRecord]) -> pd.DataFrame:
    from claude_magic.records.frames import messages_frame

    return messages_frame(rows)
