"""`%claude record` and `%claude replay`: runs onto a tape, and off it again."""

from __future__ import annotations

from IPython.core.error import UsageError

from claude_magic.magics.context import NotebookContext
from claude_magic.recording import TapeReplayer
from claude_magic.rendering.text import plural

RECORD_USAGE = "record on PATH|off"
REPLAY_USAGE = "replay PATH [SPEED]|off"


def record(context: NotebookContext, rest: str) -> None:
    """Write every run to a tape from now on, or no more.

    Raises:
        UsageError: neither `on PATH` nor `off` was said.
        ValueError: the file exists and is not a tape, or cannot be written.
    """
    word, _, path = rest.partition(" ")
    tape = context.client.tape
    if rest == "off":
        before = tape.path
        tape.close()
        print(f"Recorded to {before}." if before is not None else "Nothing was being recorded.")
    elif word == "on" and path.strip():
        tape.begin(_unquoted(path))
        print(f"Every run is recorded to {tape.path}, secrets left out, until `%claude record off`.")
    else:
        raise UsageError(f"%claude record takes `on PATH` or `off`: %claude {RECORD_USAGE}")


def replay(context: NotebookContext, rest: str) -> None:
    """Answer from a tape from now on, or from the CLI again.

    Raises:
        UsageError: neither a tape nor `off` was said.
        ValueError: the file is not a tape, or the speed makes no sense.
    """
    if not rest:
        raise UsageError(f"%claude replay takes a tape or `off`: %claude {REPLAY_USAGE}")
    if rest == "off":
        if context.client.replayer is None:
            print("No tape was being played.")
            return
        names = [info.name for info in context.client.play(None)]
        who = "Claude answers" if context.base_config.simulated is None else "answers are simulated"
        print(f"The tape is out: {who} from now on.{_closed(names)}")
        return
    path, speed = _path_and_speed(rest)
    replayer = TapeReplayer(path, speed=speed)
    names = [
        f"{info.name} ({info.session_id})" if info.session_id and not info.simulated else info.name
        for info in context.client.play(replayer)
    ]
    runs = plural(len(replayer.prompts), "run")
    print(
        f"Answers are played from {path} ({runs}) from now on; no model is called and nothing is spent.{_closed(names)}"
    )


def _closed(names: list[str]) -> str:
    return f" Closed: {', '.join(names)}." if names else ""


def _path_and_speed(text: str) -> tuple[str, float]:
    """Return the tape and how fast to play it; a last word that is a number is the speed, 1 without one."""
    path, _, last = text.rpartition(" ")
    try:
        return (_unquoted(path), float(last)) if path else (_unquoted(text), 1.0)
    except ValueError:
        return _unquoted(text), 1.0


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
