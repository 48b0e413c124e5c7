"""Why a CLI did not start, or ended: what a person reads, and whether it is tried again."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from claude_magic.cli.refusals import ended, not_started
from claude_magic.cli.transport import Launch

ROOT = "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons"
REFUSALS = [
    (1, ROOT, "bypass permissions for root"),
    (127, "/usr/bin/env: 'node': No such file or directory", "needs node, which is not in PATH"),
    (127, "env: node: No such file or directory", "needs node, which is not in PATH"),
    (127, "env: can't execute 'node': No such file or directory", "needs node, which is not in PATH"),
    (127, "/opt/claude: line 3: exec: node: not found", "needs node, which is not in PATH"),
    (
        1,
        "error: unknown option '--forward-subagent-text'\n(Did you mean --name?)",
        "--forward-subagent-text.*old",
    ),
    (1, "Error: Claude Code requires Node.js version 18.", "Node.js 18"),
    (1, "ENOSPC: no space left on device, write", "disk is full"),
    (1, "EACCES: permission denied, mkdir '/home/x/.claude'", "may not write /home/x/.claude"),
    (1, "EROFS: read-only file system, open", "may not write its own files"),
    (126, "sh: 1: claude: Exec format error", "another kind of machine"),
    (1, "claude: /lib/libc.so.6: version `GLIBC_2.34' not found", "C library"),
    (134, "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "out of memory"),
    (132, "oh no: Bun has crashed. This indicates a bug in Bun", "crashed.*ulimit"),
    (126, "", "may not be executed"),
    (127, "", "was not found"),
    (1, "some words of its own", "exit code 1\\): some words of its own"),
]
"""Exit code, stderr, and what stands in the message."""


@pytest.mark.parametrize(("code", "tail", "words"), REFUSALS)
def test_refusal_is_in_our_words_and_final(code: int, tail: str, words: str) -> None:
    """What the CLI said once it would say again: it is not tried again."""
    error = ended(code, tail, ready=False)

    assert error.message.startswith("The Claude CLI did not start (")
    assert re.search(words, error.message), error.message
    assert not error.retryable
    assert (error.exit_code, error.stderr_tail) == (code, tail)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "killed by signal 9, SIGKILL.*for lack of memory"),
        (137, "killed by signal 9, SIGKILL.*for lack of memory"),
        (-25, "SIGXFSZ.*ulimit -f"),
        (0, "exit code 0"),
        (None, "not known"),
    ],
)
def test_refusal_of_a_silent_end_is_told_by_its_signal_and_may_be_tried_again(code: int | None, words: str) -> None:
    """The next start may find more memory."""
    error = ended(code, "", ready=False)

    assert re.search(words, error.message), error.message
    assert error.retryable
    assert error.most_retries <= 2


def test_refusal_tells_a_kill_also_after_words_about_something_else() -> None:
    """A warning on stderr is no reason for a SIGKILL."""
    error = ended(-9, "warning: old settings", ready=True)

    assert re.search("SIGKILL.*lack of memory.*last words were: warning: old settings", error.message)


def test_refusal_after_the_start_says_that_it_ended() -> None:
    """In the middle of a conversation; the next prompt starts another one."""
    error = ended(-9, "", ready=True)

    assert error.message.startswith("The Claude CLI ended (killed by signal 9, SIGKILL): the system may have")
    assert error.retryable


def test_refusal_names_a_missing_interpreter_and_not_the_script(tmp_path: Path) -> None:
    """The system says "no such file" of a script that is there."""
    program = tmp_path / "claude"
    program.write_text("#!/nowhere/node --flag\n")

    error = not_started(Launch((str(program),), (), str(tmp_path)), FileNotFoundError(errno.ENOENT, "no such file"))

    assert "needs /nowhere/node, which does not exist" in error.message
    assert not error.retryable


@pytest.mark.parametrize(("number", "again"), [(errno.EAGAIN, True), (errno.ENOMEM, True), (errno.ENOEXEC, False)])
def test_refusal_for_want_of_memory_may_pass(tmp_path: Path, number: int, again: bool) -> None:
    """A wrong program stays wrong."""
    error = not_started(Launch(("claude",), (), str(tmp_path)), OSError(number, os.strerror(number)))

    assert error.retryable is again
