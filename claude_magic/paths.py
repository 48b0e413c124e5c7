"""The user's folders, opening files that others may have made, and writing files that only this user may read.

Nothing here knows what is in a file. Whatever a path turns out to be (a pipe, a device, a socket, a huge sparse file),
opening it costs no more than an `OSError`; whatever is written, the umask does not decide who may read it.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Literal

STATE_VARIABLE = "CLAUDE_MAGIC_STATE_DIR"
"""Names another folder for what outlives a kernel."""

_NAME, _OLD_NAME = "claude-magic", "claude_magic"
Kind = Literal["state", "cache", "config"]
_XDG: dict[Kind, tuple[str, str]] = {
    "state": ("XDG_STATE_HOME", ".local/state"),
    "cache": ("XDG_CACHE_HOME", ".cache"),
    "config": ("XDG_CONFIG_HOME", ".config"),
}
_MAC: dict[Kind, str] = {
    "state": "Library/Application Support",
    "cache": "Library/Caches",
    "config": "Library/Application Support",
}
_WINDOWS: dict[Kind, tuple[str, str]] = {
    "state": ("LOCALAPPDATA", "AppData/Local"),
    "cache": ("LOCALAPPDATA", "AppData/Local"),
    "config": ("APPDATA", "AppData/Roaming"),
}

# Flags that a system lacks are 0: Windows has neither the flags nor what they guard against.
_QUIET = (
    getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_NOINHERIT", 0)
    | getattr(os, "O_BINARY", 0)
)


# ---- the user's folders ----


def home_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Return the user's home folder as a process with this environment sees it (this process's by default)."""
    environ = os.environ if environ is None else environ
    return Path(environ.get("USERPROFILE" if sys.platform == "win32" else "HOME") or Path.home())


def claude_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Return the CLI's own folder for a process with this environment: `CLAUDE_CONFIG_DIR`, else `~/.claude`.

    A `~` at the beginning is the home folder: a shell would have put it in, and the CLI takes it as it is.
    """
    environ = os.environ if environ is None else environ
    given = environ.get("CLAUDE_CONFIG_DIR") or "~/.claude"
    return home_dir(environ) / given[2:] if given == "~" or given.startswith("~/") else Path(given)


def user_dir(kind: Kind, environ: Mapping[str, str] | None = None) -> Path:
    """Return this package's own folder for a user. It may not exist.

    Args:
        kind: `state` is what outlives a kernel (history, kept answers), `cache` may be deleted at any time, `config`
            is what the user decided.
        environ: tells where the folders are; this process's environment by default.
    """
    environ = os.environ if environ is None else environ
    wish = environ.get(STATE_VARIABLE) if kind == "state" else None
    if wish:
        return Path(wish).expanduser().absolute()
    base = _base(kind, environ)
    # Earlier versions spelt two of the names in another way. What the user decided then still holds.
    old, new = base / _OLD_NAME, base / _NAME
    return old if kind == "config" and not new.exists() and old.exists() else new


def _base(kind: Kind, environ: Mapping[str, str]) -> Path:
    home = home_dir(environ)
    if sys.platform == "darwin":
        return home / _MAC[kind]
    variable, usual = _WINDOWS[kind] if sys.platform == "win32" else _XDG[kind]
    named = Path(environ.get(variable) or "")
    return named if named.is_absolute() else home / usual


# ---- opening what others may have made ----


def open_regular(path: str | os.PathLike[str], *, limit: int | None = None, buffering: int = -1) -> BinaryIO:
    """Open a file to read, without waiting: a regular file (through links, too) and nothing else.

    Args:
        path: the file.
        limit: most bytes it may have; `None` is any number.
        buffering: as for `open`; 0 is none.

    Raises:
        OSError: it cannot be opened, is not a regular file, or has more bytes than the limit; `strerror` says which.
    """
    _check_kind(os.stat(path), path)  # before opening: a device or a pipe may do something when it is opened
    descriptor = os.open(path, os.O_RDONLY | _QUIET)
    try:
        status = os.fstat(descriptor)
        _check_kind(status, path)
        if limit is not None and status.st_size > limit:
            raise _too_large(path, limit)
        return os.fdopen(descriptor, "rb", buffering)
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], *, limit: int) -> bytes:
    """Return what is in a regular file.

    Args:
        path: the file.
        limit: most bytes it may have.

    Raises:
        OSError: as for `open_regular`; also where it grows past the limit while it is read.
    """
    with open_regular(path, limit=limit) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise _too_large(path, limit)
    return data


def read_regular_text(path: str | os.PathLike[str], *, limit: int) -> str:
    """Return the text of a regular file in UTF-8, its line ends as they are.

    Args:
        path: the file.
        limit: most bytes it may have.

    Raises:
        OSError: as for `read_regular`.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_regular(path, limit=limit).decode("utf-8")


def _check_kind(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "It is not a regular file", os.fspath(path))


def _too_large(path: str | os.PathLike[str], limit: int) -> OSError:
    return OSError(errno.EFBIG, f"It is larger than {limit:,} bytes", os.fspath(path))


# ---- writing what only this user may read ----


def make_private_dir(folder: Path) -> Path:
    """Make a folder, and those above it that are missing, so that only this user can look into them.

    A folder that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return folder
    if folder.parent != folder:
        make_private_dir(folder.parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if folder.is_dir():  # another process made it meanwhile
            return folder
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    folder.chmod(0o700)  # the umask may have taken even the user's own rights
    return folder


def open_private(path: Path, *, append: bool = False, only_regular: bool = True) -> BinaryIO:
    """Open a file to write, unbuffered and without waiting; one that is made here only this user may read.

    Args:
        path: the file; its folder must be there. The rights of one that exists stay as they are.
        append: write at its end; else it is emptied.
        only_regular: refuse pipes, devices and the like.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    flags = os.O_WRONLY | _QUIET | (os.O_APPEND if append else 0)
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        _only_for_user(descriptor)
    except FileExistsError:
        if only_regular and path.exists():
            _check_kind(path.stat(), path)
        descriptor = os.open(path, flags | os.O_CREAT, 0o600)  # a link to nothing makes a file
    try:
        if only_regular:
            _check_kind(os.fstat(descriptor), path)
        if not append and stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.ftruncate(descriptor, 0)
        return os.fdopen(descriptor, "wb", 0)
    except BaseException:
        os.close(descriptor)
        raise


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write all of the data to an unbuffered file, in one piece if the system takes it so.

    Raises:
        OSError: it cannot be written; a part of it may have been.
    """
    left = memoryview(data)
    while left:
        written = file.write(left)
        if written is None:  # a pipe without a reader is full
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        left = left[written:]


def replace_private(path: Path, data: bytes) -> None:
    """Write a whole file in one step, so that a reader sees the old one or the new one; only this user may read it.

    Args:
        path: the file; its folder is made if it is missing.
        data: all that it shall hold.

    Raises:
        OSError: it cannot be written; what was there is still there.
    """
    make_private_dir(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            _only_for_user(descriptor)
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def private_temporary_dir(prefix: str) -> tempfile.TemporaryDirectory[str]:
    """Make a temporary folder that only this user can look into; closing it removes it, as far as that can be done."""
    folder = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    Path(folder.name).chmod(0o700)
    return folder


def _only_for_user(descriptor: int) -> None:
    if hasattr(os, "fchmod"):  # not on Windows, where the rights of the folder count
        os.fchmod(descriptor, 0o600)
