"""Finds and ends processes by tree and by owner tag; run as a script, it does so when its kernel is gone.

Every CLI child, and so everything that its tools start, carries an owner tag in its environment. A tool that
detaches itself (`setsid nohup ... &`) leaves the tree of the CLI, but it keeps the tag.

As a script: `python -P -S -E reaper.py FOLDER_OF_PSUTIL OWNER`. Standard input is a pipe whose other end only the
kernel holds. It brings lines, `+ PID CREATED` and `- PID` for processes, `+folder PATH` and `-folder PATH` (in
hexadecimal) for temporary folders; its end means that the kernel is gone, however it went.
The script imports next to nothing, because it waits beside every kernel for as long as that lives.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False  # the name that type checkers know, without the import of `typing` that the script can do without
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import psutil

OWNER_VARIABLE = "CLAUDE_MAGIC_OWNER"
"""Environment variable with the owner tag, `OWNER:NUMBER`."""

_POLL_S = 0.02
_LATER_TERM_S = 0.1
_REAPER_TERM_S = 1.0
_REAPER_TOTAL_S = 15.0
_CLOCK_SLACK_S = 1.0
"""A process's time of creation is rounded, and on some systems moves with the clock."""
_STARTTIME = 19
"""Its place in `/proc/PID/stat`, counted from what follows the name."""


def find_tagged(owner_tag: str, since: float = 0.0) -> list[psutil.Process]:
    """Return the processes that carry an owner tag, zombies and this process left out.

    Args:
        owner_tag: a whole tag, or the beginning of one up to and with its colon, for all of one owner.
        since: look only at processes created after this time, as of `creation_time`.
    """
    import psutil

    found = []
    for pid in _pids():
        try:
            if pid == os.getpid() or (since and creation_time(pid) < since - _CLOCK_SLACK_S):
                continue
            process = psutil.Process(pid)
            value = process.environ().get(OWNER_VARIABLE, "")
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's: it cannot be ours
        if value == owner_tag or (owner_tag.endswith(":") and value.startswith(owner_tag)):
            found.append(process)
    return alive(found)


def _pids() -> list[int]:
    import psutil

    try:
        return list(psutil.pids())
    except (psutil.Error, OSError, IndexError):
        return []  # no /proc here: what detached itself cannot be seen


def tree(pid: int, created: float | None = None) -> list[psutil.Process]:
    """Return a process and everything below it; empty when it is gone.

    Args:
        pid: the process.
        created: its `creation_time`; a process that differs only has the same number.
    """
    import psutil

    try:
        if created is not None and abs(creation_time(pid) - created) > _CLOCK_SLACK_S:
            return []
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """Return everything below a process; empty when it is gone."""
    # A new object: psutil would compare the children's times with one that it took before the clock was set.
    return tree(process.pid)[1:] if process.is_running() else []


def activity_of(pid: int) -> str:
    """Return what a process is busy with, in words for a person: what runs below it, or its state; "" if it is gone."""
    import psutil

    try:
        programs = [" ".join(process.cmdline())[:80] for process in tree(pid)[1:]]
        if programs:
            return f"it waited for `{programs[-1]}`"
        state = psutil.Process(pid).status()
    except psutil.Error:
        return ""
    return "it waited for a disk" if state == psutil.STATUS_DISK_SLEEP else f"it was {state}, and said nothing"


def creation_time(pid: int) -> float:
    """Return when a process was created, in seconds; 0.0 if it is gone.

    On Linux that is since the system's start: unix seconds would move for all processes when the clock is set.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[_STARTTIME]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return _creation_time(pid)


def _creation_time(pid: int) -> float:
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run, each once; a zombie does not."""
    return [process for process in dict.fromkeys(processes) if _runs(process)]


def _runs(process: psutil.Process) -> bool:
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def end(processes: Iterable[psutil.Process], term_s: float) -> None:
    """Ask processes to end, and force those that do not.

    Args:
        processes: whom to end.
        term_s: seconds between SIGTERM and SIGKILL; 0 sends SIGKILL at once.
    """
    left = alive(processes)
    if term_s > 0:
        _signal(left, "terminate")
        left = _await_end(left, term_s)
    _signal(left, "kill")
    _await_end(left, _LATER_TERM_S)


def _signal(processes: Iterable[psutil.Process], how: str) -> None:
    import psutil

    for process in processes:
        try:
            # psutil looks at the time of creation first, so a number that was given anew is not hit.
            getattr(process, how)()
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            continue  # a set-uid program: nothing that we may end


def _await_end(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    while (processes := alive(processes)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return processes


def sweep(find: Callable[[], Iterable[psutil.Process]], *, term_s: float, total_s: float) -> bool:
    """End what `find` returns, and look again, until there is nothing left.

    Args:
        find: says who has to go; asked anew each time, because a dying process may start others.
        term_s: seconds between SIGTERM and SIGKILL in the first round.
        total_s: seconds after which no new round is begun.

    Returns:
        Whether nothing is left.
    """
    deadline = time.monotonic() + total_s
    while found := alive(find()):
        end(found, term_s)
        if time.monotonic() > deadline:
            return not alive(find())
        term_s = min(term_s, _LATER_TERM_S)
    return True


def _end_all(children: dict[int, float], owner: str) -> None:
    def find() -> list[psutil.Process]:
        below = [process for pid, created in children.items() for process in tree(pid, created)]
        return below + find_tagged(f"{owner}:")

    sweep(find, term_s=_REAPER_TERM_S, total_s=_REAPER_TOTAL_S)


def main(arguments: list[str]) -> None:
    """Follow what the kernel has until its end of the pipe closes; then end its children and remove its folders.

    Args:
        arguments: the folder that holds psutil, and the kernel's owner id.
    """
    # It ends by the pipe alone: a signal to the kernel's process group must not hit the one that tidies up.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    folder, owner = arguments
    children: dict[int, float] = {}
    folders: set[str] = set()
    for line in sys.stdin.buffer:
        sign, what, *created = line.split()
        if sign == b"+":
            children[int(what)] = float(created[0])
        elif sign == b"-":
            children.pop(int(what), None)
        elif sign == b"+folder":
            folders.add(_path(what))
        else:
            folders.discard(_path(what))
    sys.path.append(folder)
    _end_all(children, owner)
    _remove(folders)


def _path(word: bytes) -> str:
    return os.fsdecode(bytes.fromhex(word.decode("ascii")))


def _remove(folders: Iterable[str]) -> None:
    import shutil

    for folder in folders:
        # What cannot be removed stays where the system clears up; there is no one left to tell.
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
