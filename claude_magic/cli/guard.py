"""Stands between the kernel and one CLI, so that nothing the CLI starts can get away. Linux only; run as a script.

As a script: `python -P -S -E guard.py FD TAG=VALUE FOLDER PROGRAM ARGUMENT...`, with stdin, stdout and stderr meant
for the program. It makes itself the subreaper of all below it, then starts the program in a session of its own. What
the program starts may detach itself, clear its environment or hide from reading: its parent is then this process, not
process 1. When the program ends, or the kernel does, all that is left below is ended too; when the system says that
there are no children any more, nothing is left. Then it ends as the program did: same exit code, same signal.

FD is the writing end of a pipe that only the kernel reads. It brings one line, the program's process id or `-ERRNO` if
it could not be started; that it has no reader any more means that the kernel is gone.
"""

from __future__ import annotations

import ctypes
import os
import sys

TYPE_CHECKING = False  # the name that type checkers know; importing `typing` would take longer than all the rest
if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_IGNORED_BY_PYTHON = (13, 25)  # SIGPIPE and SIGXFSZ; the module `signal` takes 5 ms to import

_TERM_S = 0.2
_TOTAL_S = 5.0
_ALONE_TERM_S = 1.0
_ALONE_TOTAL_S = 60.0
"""With no kernel there is no one who waits, and nothing else will end what is left."""
_LOOK_MS = 5
_QUICK_LOOKS = 200


def main(arguments: list[str]) -> None:
    """Start the program, wait for its end or the kernel's, and end all that is left.

    Args:
        arguments: see the module.
    """
    control, (name, _, tag), folder, argv = int(arguments[0]), arguments[1].partition("="), arguments[2], arguments[3:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        os._exit(1)  # the kernel sees that nothing was said, and starts the program by itself
    os.set_inheritable(control, False)
    os.environ[name] = tag
    program, error = _start(argv, folder, libc)
    _tell(control, -error if error else program)
    if error:
        os._exit(0)
    status = _Guard(program, control).watch()
    _end_like(status, libc)


def _tell(control: int, number: int) -> None:
    try:
        os.write(control, b"%d\n" % number)
    except OSError:
        return  # the kernel is gone already: the watch begins with that


def _start(argv: list[str], folder: str, libc: ctypes.CDLL) -> tuple[int, int]:
    """Start the program; return its process id and, where it did not start, the system's error number."""
    reading, writing = os.pipe()  # closed by a successful exec
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.chdir(folder)
            for number in _IGNORED_BY_PYTHON:
                libc.signal(number, None)
            os.execvpe(argv[0], argv, os.environ)
        except OSError as error:
            os.write(writing, b"%d" % (error.errno or 1))
        finally:
            os._exit(127)
    os.close(writing)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)  # the pipes are the program's alone, and end with it
    failure = os.read(reading, 16)
    os.close(reading)
    return pid, int(failure or 0)


class _Guard:
    def __init__(self, program: int, control: int) -> None:
        import select
        import signal

        self._program = program
        self._status: int | None = None
        self._childless = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            # It ends by its program or its kernel alone, not by a signal to the process group.
            signal.signal(number, signal.SIG_IGN)
        self._ends, told = os.pipe()
        os.set_blocking(self._ends, False)
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._poll = select.poll()
        self._poll.register(self._ends, select.POLLIN)
        self._control = control
        self._poll.register(control, 0)  # asks for nothing: tells of the reader's end

    def watch(self) -> int:
        """Wait for the end of the program or of the kernel; end all there is; return the program's wait status."""
        while True:
            self._reap()
            if self._status is not None:
                self._end_all(_TERM_S, _TOTAL_S)
                break
            if self._wait(None):
                self._end_all(_ALONE_TERM_S, _ALONE_TOTAL_S)
                break
        return 9 if self._status is None else self._status

    def _wait(self, timeout_ms: int | None) -> bool:
        """Wait until a child ends, or the kernel; return whether that is gone."""
        gone = False
        for fd, _ in self._poll.poll(timeout_ms):
            if fd == self._ends:
                os.read(fd, 4096)
            else:
                gone = True
                self._poll.unregister(fd)
        return gone

    def _reap(self) -> None:
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._program:
                    self._status = ended[1]
        except ChildProcessError:
            self._childless = True

    def _end_all(self, term_s: float, total_s: float) -> None:
        import time

        began = time.monotonic()
        asked: set[int] = set()
        while True:
            self._reap()
            since = time.monotonic() - began
            if self._childless or since > total_s:
                return
            if since < term_s:
                below = _below(os.getpid())
                # One that is stopped hears it only when it goes on.
                _signal([pid for pid in below if pid not in asked], "SIGTERM", "SIGCONT")
                asked.update(below)
            elif not os.path.exists("/proc/self"):
                return self._force_group()
            else:
                self._force_children()
                _force(_below(os.getpid()))
            self._wait(_LOOK_MS)

    def _force_group(self) -> None:
        """Without /proc no process can be seen: end the program and what has stayed in its session."""
        if self._status is None:
            os.killpg(self._program, 9)

    def _force_children(self) -> None:
        """End what is always another, each the child of one that has just ended: too quick for a look at `/proc`.

        The children of what is ended are ours the next moment.
        """
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", "rb", buffering=0) as file:
                for _ in range(_QUICK_LOOKS):
                    file.seek(0)
                    children = [int(pid) for pid in file.read().split()]
                    _signal(children, "SIGKILL")
                    self._reap()
                    if not children:
                        return
        except OSError:
            return  # not every Linux has this file


def _force(pids: list[int]) -> None:
    """End processes that may be making others just now: stopped, they cannot."""
    stopped: set[int] = set()
    while new := [pid for pid in pids if pid not in stopped]:
        _signal(new, "SIGSTOP")
        stopped.update(new)
        pids = _below(os.getpid())
    _signal(pids, "SIGKILL")


def _below(root: int) -> list[int]:
    """Return all processes below one, parents before children; zombies are left out."""
    children: dict[int, list[int]] = {}
    for name in _entries("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue  # it has just ended
            if state not in b"ZX":
                children.setdefault(int(parent), []).append(int(name))
    found = list(children.get(root, ()))
    for pid in found:
        found += children.get(pid, ())
    return found


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _signal(pids: Sequence[int], *names: str) -> None:
    import signal

    for pid in pids:
        for name in names:
            try:
                os.kill(pid, getattr(signal, name))
            except OSError:
                continue  # it has just ended, or is a set-uid program: nothing that we may end


def _end_like(status: int, libc: ctypes.CDLL) -> None:
    if os.WIFSIGNALED(status):
        import signal

        number = os.WTERMSIG(status)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # one core, the program's own, is enough
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main(sys.argv[1:])
