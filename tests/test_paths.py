"""The user's folders, what may be opened, and who may read what was written."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from claude_magic.paths import (
    claude_dir,
    make_private_dir,
    open_private,
    open_regular,
    private_temporary_dir,
    read_regular,
    read_regular_text,
    replace_private,
    user_dir,
)


def link_to(target: str | Path) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def bind_socket(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as listener:  # the path may be too long for one
        listener.bind(path.name)


ODD_FILES: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "socket": bind_socket,
    "folder": Path.mkdir,
    "endless device": link_to("/dev/zero"),
    "empty device": link_to("/dev/null"),
    "terminal": link_to("/dev/tty"),
    "link to itself": link_to("odd"),
    "link to nothing": link_to("nothing"),
    "missing": lambda path: None,
}


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Rights that new files do not get, unless somebody insists."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_files() -> int:
    return len(os.listdir("/dev/fd")) if sys.platform != "win32" else 0


@pytest.mark.parametrize("make", ODD_FILES.values(), ids=ODD_FILES)
def test_open_regular_refuses_whatever_is_not_a_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """At once, with an OSError that names the file, and nothing stays open."""
    path = tmp_path / "odd"
    make(path)
    before = open_files()

    with pytest.raises(OSError, match="odd"):
        open_regular(path)

    assert open_files() == before


def test_open_regular_does_not_wake_who_waits_at_a_pipe(tmp_path: Path) -> None:
    """A pipe is not even opened: a program that waits for its reader would lose what it writes."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY)
    os.write(writer, b"for another")

    with pytest.raises(OSError, match="not a regular file"):
        open_regular(path)

    assert os.read(reader, 100) == b"for another"
    os.close(reader)
    os.close(writer)


def test_open_regular_follows_links_to_files(tmp_path: Path) -> None:
    """A link is as good as its file, and the file is not changed or held back."""
    (tmp_path / "file").write_bytes(b"one\r\ntwo")
    (tmp_path / "link").symlink_to("file")

    with open_regular(tmp_path / "link", limit=8) as file:
        assert file.read() == b"one\r\ntwo"
    assert read_regular_text(tmp_path / "link", limit=8) == "one\r\ntwo"


def test_open_regular_keeps_the_limit(tmp_path: Path) -> None:
    """A huge sparse file is refused before a byte of it is read; one byte under the limit is fine."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(8 << 30)

    with pytest.raises(OSError, match="larger than 1,000 bytes"):
        read_regular(path, limit=1000)
    os.truncate(path, 1000)
    assert len(read_regular(path, limit=1000)) == 1000


def test_read_regular_keeps_the_limit_where_the_size_says_nothing() -> None:
    """Files below /proc say that they are empty."""
    with pytest.raises(OSError, match="larger than 5 bytes"):
        read_regular("/proc/self/environ", limit=5)


def test_private_files_are_for_the_user_alone(tmp_path: Path, umask: int) -> None:
    """Whatever the umask: files 0600, and every folder that was made for them 0700."""
    folder = make_private_dir(tmp_path / "a" / "b")
    with open_private(folder / "new") as file:
        file.write(b"x")
    replace_private(tmp_path / "c" / "whole", b"y")

    assert {mode(path) for path in (tmp_path / "a", folder, tmp_path / "c")} == {0o700}
    assert {mode(path) for path in (folder / "new", tmp_path / "c" / "whole")} == {0o600}
    with private_temporary_dir("claude-magic-test-") as temporary:
        assert mode(Path(temporary)) == 0o700
    assert not Path(temporary).exists()


def test_open_private_keeps_what_is_there(tmp_path: Path) -> None:
    """Rights that the user gave stay, `append` adds, and without it the file begins anew."""
    path = tmp_path / "mine"
    path.write_bytes(b"old ")
    path.chmod(0o644)

    with open_private(path, append=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old new"
    with open_private(path) as file:
        file.write(b"only")
    assert path.read_bytes() == b"only"
    assert mode(path) == 0o644


@pytest.mark.parametrize("odd", ["pipe", "socket", "folder", "empty device", "link to itself"])
def test_open_private_refuses_what_is_not_a_file(tmp_path: Path, odd: str) -> None:
    """And does not wait for a reader of a pipe."""
    path = tmp_path / "odd"
    ODD_FILES[odd](path)

    with pytest.raises(OSError, match="odd"):
        open_private(path, append=True)


def test_open_private_writes_to_a_device_where_that_is_meant(tmp_path: Path) -> None:
    """A log may go to one."""
    with open_private(Path("/dev/null"), append=True, only_regular=False) as file:
        assert file.write(b"x") == 1


def test_replace_private_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    """And no half of a new one."""
    (tmp_path / "taken").mkdir()

    with pytest.raises(OSError, match="taken"):
        replace_private(tmp_path / "taken", b"x")

    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("kind", "environ", "path"),
    [
        ("state", {}, "home/.local/state/claude-magic"),
        ("state", {"XDG_STATE_HOME": "{}/xdg"}, "xdg/claude-magic"),
        ("state", {"CLAUDE_MAGIC_STATE_DIR": "{}/mine", "XDG_STATE_HOME": "{}/xdg"}, "mine"),
        ("cache", {"XDG_CACHE_HOME": "{}/xdg"}, "xdg/claude-magic"),
        ("config", {"XDG_CONFIG_HOME": "not/absolute"}, "home/.config/claude-magic"),
    ],
)
def test_user_dir_follows_the_system(tmp_path: Path, kind: str, environ: dict[str, str], path: str) -> None:
    """By the variables of the environment that is asked for, not of this process."""
    environ = {"HOME": f"{tmp_path}/home"} | {name: value.format(tmp_path) for name, value in environ.items()}

    assert user_dir(kind, environ) == tmp_path / path  # type: ignore[arg-type]  # one of the table


def test_user_dir_finds_what_was_decided_before(tmp_path: Path) -> None:
    """Folders trusted under the earlier spelling stay trusted."""
    environ = {
        "HOME": str(tmp_path),
        "USERPROFILE": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "APPDATA": str(tmp_path),
    }
    old = user_dir("config", environ).with_name("claude_magic")
    old.mkdir(parents=True)

    assert user_dir("config", environ) == old


def test_claude_dir_is_the_clis(tmp_path: Path) -> None:
    """Where the CLI itself looks."""
    environ = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}

    assert claude_dir(environ) == tmp_path / ".claude"
    assert claude_dir(environ | {"CLAUDE_CONFIG_DIR": "/elsewhere"}) == Path("/elsewhere")
