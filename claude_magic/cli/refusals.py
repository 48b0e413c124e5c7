"""Why a CLI did not start, or ended before its time, in words that say what to do."""

from __future__ import annotations

import errno
import os
import re
import signal

from claude_magic.cli.transport import Launch
from claude_magic.errors import ClaudeError, ProcessError, TurnTimeoutError

_PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)

SILENT_RETRIES = 2
"""How often a start is tried again that ended with no word: something may have passed, but nothing says so."""

_MEMORY = "Give the machine or the container more memory, or run fewer sessions at once (`max_sessions`)"

_EXPLANATIONS: tuple[tuple[str, str], ...] = (
    (
        r"cannot be used with root/sudo privileges",
        "it does not bypass permissions for root. Choose another permission mode, such as acceptEdits, allow single "
        "tools, or run the kernel as another user; in a container made for it, set IS_SANDBOX=1",
    ),
    (
        r"env: (?:can't execute )?['‘\"]?([^\s'’\":]+)['’\"]?: No such file"
        r"|(?:^|[\s:])(node|bun|deno): (?:command )?not found",
        "it needs {0}, which is not in PATH. Install it, or start the kernel with its folder in PATH",
    ),
    (
        r"unknown option '?(-[\w-]+)",
        "it does not know the option {0}. It is too old (run `claude update`), or extra_args has a mistake",
    ),
    (
        r"requires? Node(?:\.js)? (?:version )?v?([\d.]+)",
        "it needs Node.js {0} or newer. Install it, or the CLI that needs none: `pip install claude-agent-sdk`",
    ),
    (
        r"ENOSPC|No space left on device|EDQUOT|Disk quota exceeded",
        "the disk is full. Free some space in the home folder and the one for temporary files, or set "
        "CLAUDE_CONFIG_DIR and TMPDIR to folders on another disk",
    ),
    (
        r"(?:EROFS|EACCES|EPERM)\b.*?(?:'([^']+)')|(?:EROFS|EACCES)",
        "it may not write {0}. Make that folder writable, or set HOME or CLAUDE_CONFIG_DIR to one that is",
    ),
    (
        r"[Ee]xec format error|cannot execute binary file",
        "it was made for another kind of machine. Install the CLI for this one",
    ),
    (
        r"GLIBC\w* not found|version `GLIBC|ld-(?:linux|musl)\S*: No such file|error while loading shared libraries",
        "it does not fit the C library of this system. Install the CLI for this system",
    ),
    (
        r"JavaScript heap out of memory|[Cc]annot allocate memory|OutOfMemory|ENOMEM|out of memory",
        f"it ran out of memory. {_MEMORY}",
    ),
    (
        r"Bun has crashed|bun\.report/|Too many open files|EMFILE|fs\.file-max",
        "it crashed: it has too little memory, or may open too few files. Look at `ulimit -a`",
    ),
)
"""What a CLI, its interpreter or the system writes to stderr -> what to do about it. The first that fits counts."""

_CODES = {
    126: "it may not be executed. Look at its permissions (`chmod +x`), and at those of the disk it is on",
    127: "a program that it needs was not found. Look at its first line and at PATH",
}

_SIGNALS = {
    "SIGKILL": f"the system may have ended it for lack of memory. {_MEMORY}",
    "SIGILL": "this processor cannot run it, or it ran out of memory. Try another build of the CLI",
    "SIGXFSZ": "a file became larger than is allowed here. Raise the limit (`ulimit -f`)",
    "SIGXCPU": "it used up its processor time. Raise the limit (`ulimit -t`)",
    "SIGTRAP": f"it crashed, perhaps for want of memory. {_MEMORY}",
    "SIGABRT": f"it crashed, perhaps for want of memory. {_MEMORY}",
    "SIGSEGV": f"it crashed, perhaps for want of memory. {_MEMORY}",
    "SIGBUS": "it crashed, perhaps because a disk is full or gone",
}


def ended(code: int | None, tail: str, *, ready: bool) -> ProcessError:
    """Return the error for a CLI that has ended by itself.

    Args:
        code: its exit code, negative for a signal; `None` if it is not known.
        tail: the last lines of its stderr.
        ready: whether it had started before.

    Returns:
        The error. It is retryable unless the CLI said why it did not start: it would say so again.
    """
    tail = tail.strip()
    event = "ended" if ready else "did not start"
    last = tail.rpartition("\n")[2]
    why = _why(code, tail)
    message = f"The Claude CLI {event} ({_how(code)}){f': {why or last}' if why or last else ''}."
    if why and last and _is_killed(code):
        message += f" Its last words were: {last}"
    error = ProcessError(message, exit_code=code, stderr_tail=tail)
    refused = bool(tail) or code in _CODES
    error.retryable = not refused if not ready else not _is_argument_error(tail)
    error.most_retries = SILENT_RETRIES
    return error


def hung(limit_s: float, doing: str, *, by_prompt: bool) -> ClaudeError:
    """Return the error for a CLI that did not get ready; it is not tried again, since it would hang again.

    Args:
        limit_s: how long it had, in seconds.
        doing: what it was doing, in words; "" if that is not known.
        by_prompt: whether the limit was the prompt's own.
    """
    message = f"The Claude CLI had not started after {limit_s:.3g} s" + (f": {doing}." if doing else ".")
    if by_prompt:
        message += " That is the limit of the prompt (timeout_s, turn_timeout_s)."
    message += " Run `claude -p hello` in a terminal to see what it waits for."
    error = TurnTimeoutError(message) if by_prompt else ProcessError(message)
    error.retryable = False
    return error


def _is_argument_error(tail: str) -> bool:
    return any(line.lower().startswith("error") for line in tail.split("\n"))


def _how(code: int | None) -> str:
    if code is None:
        return "exit code not known"
    name = _signal_name(code)
    return f"killed by signal {-code if code < 0 else code - 128}, {name}" if name else f"exit code {code}"


def _why(code: int | None, tail: str) -> str:
    for pattern, sentence in _EXPLANATIONS:
        if match := re.search(pattern, tail, re.MULTILINE):
            return sentence.format(next(filter(None, match.groups()), "its own files"))
    # Who is killed has no last word about it: what stands on stderr was about something else.
    if code is None or (tail and not _is_killed(code)):
        return ""
    return _CODES.get(code) or _SIGNALS.get(_signal_name(code), "")


def _is_killed(code: int | None) -> bool:
    return code is not None and _signal_name(code) == "SIGKILL"


def _signal_name(code: int) -> str:
    """The signal that an exit code tells of: its own (negative), or that of a program below a shell (128 and more)."""
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def not_started(launch: Launch, error: OSError | ValueError) -> ProcessError:
    """Return the error for a program that the system could not start.

    Args:
        launch: what was to be started.
        error: what the system said.
    """
    program = launch.argv[0] if launch.argv else ""
    failure = ProcessError(_not_started(program, launch, error))
    # A want of memory or of process slots may pass; the others stay until they are mended.
    failure.retryable = isinstance(error, OSError) and error.errno in _PASSING
    return failure


def _not_started(program: str, launch: Launch, error: OSError | ValueError) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if not os.path.isdir(launch.working_dir):
        return f"The working folder {launch.working_dir} does not exist or is not a directory."
    if isinstance(error, FileNotFoundError):
        if os.path.exists(program):
            interpreter = _interpreter(program) or "a program or library that is not here"
            return f"The program {program} needs {interpreter}, which does not exist. Install it, or the CLI anew."
        return f"There is no program {program}."
    if isinstance(error, PermissionError):
        if not os.access(launch.working_dir, os.X_OK):
            return f"The working folder {launch.working_dir} may not be entered. Change its permissions."
        return f"The program {program} may not be executed. Change its permissions (`chmod +x`)."
    if number == errno.ENOEXEC:
        return f"The program {program} could not be started: it is not a program, or for another kind of machine."
    return f"The program {program} could not be started: {launch.redactor.text(str(error))}."


def _interpreter(program: str) -> str:
    """The program that a script names in its first line; "" if it is not a script."""
    try:
        with open(program, "rb") as file:
            first = file.readline(256)
    except OSError:
        return ""
    argv = first[2:].split()
    return argv[0].decode("utf-8", "replace") if first.startswith(b"#!") and argv else ""
