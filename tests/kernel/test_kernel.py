"""The magics in a real kernel, with the real CLI: what a person at a notebook sees."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from kernels import GUARD_S, Cell, Content, Kernel, running_kernel

from claude_magic.cli.reaper import alive
from claude_magic.rendering.footer import notice, unasked_notice
from claude_magic.response import Outcome
from claude_magic.simulator import Simulator

MIME_TYPES = {"application/vnd.claude-magic.v1+json", "text/html", "text/plain"}
GONE_S = 5.0


def prompts(api: Simulator) -> list[str]:
    return [request.prompt for request in api.requests if request.path.startswith("/v1/messages")]


def last_body(api: Simulator) -> str:
    return api.requests[-1].raw.decode()


def sessions(kernel: Kernel) -> str:
    return kernel.value("[(info.name, info.turns) for info in client.list_sessions()]")


def interrupt_after(kernel: Kernel, updates: int) -> Callable[[str, Content], None]:
    """Interrupt the kernel when the display was updated so many times."""
    seen = [0]

    def on(kind: str, content: Content) -> None:
        seen[0] += kind == "update_display_data"
        if seen[0] == updates:
            seen[0] += 1
            kernel.manager.interrupt_kernel()

    return on


def interrupt_when_printed(kernel: Kernel) -> Callable[[str, Content], None]:
    """Interrupt the kernel when the cell has printed something."""

    def on(kind: str, content: Content) -> None:
        if kind == "stream":
            kernel.manager.interrupt_kernel()

    return on


# An answer.


def test_an_answer_streams_in(kernel: Kernel) -> None:
    """It grows below the cell, at most 20 times a second, and stays as three MIME types and nothing else."""
    cell = kernel.run("%%claude\ntake three seconds")

    assert cell.reply["status"] == "ok"
    assert cell.result == ""
    assert (cell.printed, cell.error) == ("", "")
    assert set(cell.updates[-1]) == MIME_TYPES
    lengths = [len(bundle["text/plain"]) for bundle in cell.updates]
    assert lengths == sorted(lengths)
    duration_s = cell.updates[-1]["application/vnd.claude-magic.v1+json"]["duration_s"]
    assert 10 < len(cell.updates) <= 20 * duration_s + 3
    assert len(cell.of("display_data")) == 1
    assert kernel.value("(_claude.outcome.value, len(_claude.text), Out.get(len(In) - 2))") == "('success', 1500, None)"


@pytest.mark.newest_cli
def test_the_footer_says_what_it_took(kernel: Kernel) -> None:
    """Seconds, and that no model was called; what it would have cost is in the frames."""
    text = kernel.run("%claude ask hello").text

    assert text.startswith("You said: hello\n\n")
    assert all(word in text.splitlines()[-1] for word in ("simulated", " s"))
    assert "$" not in text.splitlines()[-1]


@pytest.mark.newest_cli
@pytest.mark.parametrize(
    "text",
    [
        "what is $i?",
        "why is this??",
        'is {"a": 1} or {i2} JSON?',
        "it's \"unbalanced (((",
        "%time and !ls and ; and # all",
        "50 % of {nosuch}",
    ],
)
def test_a_line_arrives_as_typed(kernel: Kernel, api: Simulator, text: str) -> None:
    """At the API, not only in the kernel."""
    kernel.run(f"i = 1\n%claude ask {text}")

    assert prompts(api)[-1] == text
    assert kernel.value("_claude.prompt") == repr(text)


@pytest.mark.newest_cli
def test_values_are_literal(kernel: Kernel, api: Simulator, folder: Path) -> None:
    """A typed `@path` is read; a value with one, or with a leading `/command`, is only text."""
    (folder / "secret.txt").write_text("the hidden word")
    kernel.run("path, command = '@secret.txt', '/cost'")

    for line in ("look at {path}", "{command}", "{command} {path}", "--attach path -- what?"):
        before = api.request_count
        kernel.run(f"%claude ask {line}")
        assert api.request_count == before + 1  # a command of the CLI would have sent none
        assert "the hidden word" not in last_body(api)
        assert "@secret.txt" in last_body(api) or "/cost" in last_body(api)

    kernel.run("%claude ask look at @secret.txt")
    assert "the hidden word" in last_body(api)


@pytest.mark.newest_cli
def test_values_beside_a_typed_path(kernel: Kernel, api: Simulator, folder: Path) -> None:
    """The typed file is read, the one of the value is not, and the model gets both texts."""
    (folder / "open.txt").write_text("an open word")
    (folder / "shut.txt").write_text("a shut word")
    kernel.run("value = '@shut.txt'")

    kernel.run("%claude ask compare @open.txt with {value}")

    assert "an open word" in last_body(api)
    assert "a shut word" not in last_body(api)
    assert "{value} is:\\n\\n@shut.txt" in last_body(api)


@pytest.mark.newest_cli
def test_pictures_and_tables_are_attached(kernel: Kernel, api: Simulator) -> None:
    """The figure as an image block, the table as text."""
    kernel.run(
        "import pandas as pd, matplotlib.pyplot as plt\n"
        "df = pd.DataFrame({'price': [1.5, 2.5]})\nfigure, axes = plt.subplots(figsize=(1, 1)); plt.close(figure)"
    )

    kernel.run('%%claude --attach df["price"] figure\nwhat is this?')

    blocks = api.requests[-1].body["messages"][0]["content"]
    assert [block["source"]["media_type"] for block in blocks if block["type"] == "image"] == ["image/png"]
    assert any("| price | float64 | 0 |" in block.get("text", "") for block in blocks)


@pytest.mark.newest_cli
def test_schemas(kernel: Kernel) -> None:
    """A table becomes a DataFrame, a dataclass an object of it."""
    kernel.run("import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: float")

    kernel.run("%claude ask --schema table -o table give me records")
    kernel.run("%claude ask --schema P -o point give me a point")

    assert kernel.value("table.to_dict('list'), point") == "({'month': ['Jan', 'Feb'], 'n': [1, 2]}, P(x=1.5))"


# Around it.


@pytest.mark.newest_cli
def test_other_cell_magics(kernel: Kernel) -> None:
    """`%%time` and `%%capture` around a prompt, and a prompt in an async cell."""
    assert "Wall time" in kernel.run("%%time\n%%claude\nin time").printed
    assert kernel.value("_claude.text") == "'You said: in time'"

    assert kernel.run("%%capture kept\n%%claude\ncaptured").updates == []
    assert kernel.value("_claude.text, len(kept.outputs) > 0") == "('You said: captured', True)"

    kernel.run("import asyncio\nawait asyncio.sleep(0)\n%claude ask in an async cell")
    assert kernel.value("_claude.text") == "'You said: in an async cell'"


@pytest.mark.newest_cli
def test_nested_loops(kernel: Kernel) -> None:
    """Off, `asyncio.run` in a cell fails as always; on, it works, and so does Claude."""
    code = "import asyncio\nasyncio.run(asyncio.sleep(0, 'ran'))"
    assert "RuntimeError" in kernel.run(code).error

    kernel.run("%config ClaudeMagics.nested_loops = True")

    assert kernel.run(code).result == "'ran'"
    assert kernel.run("%claude ask still there?").text.startswith("You said: still there?")


@pytest.mark.newest_cli
def test_dry_run_sends_nothing(kernel: Kernel, api: Simulator) -> None:
    """It says what would be sent."""
    before = api.request_count

    cell = kernel.run("city = 'Bern'\n%claude ask --dry-run weather in {city}?")

    assert "Nothing was sent" in cell.printed
    assert "weather in Bern?" in cell.printed
    assert api.request_count == before
    assert sessions(kernel) == "[]"


BAD = [
    ("--nope", "hi"), ("-o 1x", "hi"), ("--max-turns -1", "hi"), ("--budget -1", "hi"), ("--cwd /nosuch", "hi"),
    ("--schema nosuch", "hi"), ("--attach nosuch", "hi"), ("-s ''", "hi"), ("", "  \n "), ("--system other", "hi"),
    ("--effort low", "hi"), ("tell me", "hi"), ("", "{empty[0]}"),
]  # fmt: skip


@pytest.mark.newest_cli
def test_bad_input_is_one_line(kernel: Kernel, api: Simulator) -> None:
    """Nothing is sent, spent or overwritten."""
    kernel.run("kept, empty = 'kept', []\n%claude ask hello")
    before = (api.request_count, sessions(kernel), kernel.value("_claude.turn_id"))

    for options, prompt in BAD:
        cell = kernel.run(f"%%claude -o kept {options}\n{prompt}")
        assert cell.reply["status"] == "error"
        assert cell.printed.startswith("UsageError: ")
        assert cell.printed.count("\n") == 1
        assert (cell.updates, cell.error) == ([], "")

    assert (api.request_count, sessions(kernel), kernel.value("_claude.turn_id")) == before
    assert kernel.value("kept") == "'kept'"


@pytest.mark.newest_cli
@pytest.mark.parametrize(
    ("options", "prompt", "kind", "words"),
    [
        ("-m nosuch", "fail 404_model", "ModelNotFoundError", "Models on offer: default, "),
        ("", "fail 401", "AuthenticationError", "claude setup-token"),
        ("", "fail 400_credit", "InsufficientCreditsError", "Add credit"),
        ("--resume 0c9f3dcd-f9a5-4ad5-a02f-3dd0c3c2a0a4", "hi", "SessionNotFoundError", "No conversation found"),
    ],
)
def test_an_error_is_one_block(kernel: Kernel, options: str, prompt: str, kind: str, words: str) -> None:
    """What happened and what to do, once, and no line of our code; the cell fails, so that Run All stops."""
    kernel.run("kept = 1")

    cell = kernel.run(f"%%claude -s new -o kept {options}\n{prompt}")

    assert cell.reply["status"] == "error"
    assert cell.reply["ename"] == kind
    assert words in cell.text
    assert cell.error == f"{kind}: see above."
    assert kernel.value("kept") == "1"


@pytest.mark.newest_cli
def test_a_model_that_does_not_exist_leaves_no_session(kernel: Kernel) -> None:
    """The next prompt under that name starts with a good model, and the bad one is not offered."""
    cell = kernel.run("%%claude -m nosuch\nfail 404_model")

    assert ", nosuch" not in cell.text
    assert sessions(kernel) == "[]"
    assert kernel.run("%claude ask hello").text.startswith("You said: hello")


@pytest.mark.newest_cli
def test_a_fork_knows_what_was_said(kernel: Kernel, api: Simulator) -> None:
    """Both go on from the same beginning, and neither sees what the other is told."""
    kernel.run("%claude ask the word is mango")
    kernel.run("%claude fork second")
    kernel.run("%claude ask -s second hello from the copy")
    copied = last_body(api)
    kernel.run("%claude ask hello again")

    assert "the word is mango" in copied
    assert "the word is mango" in last_body(api)
    assert "hello from the copy" not in last_body(api)
    assert sessions(kernel) == "[('main', 2), ('second', 1)]"


@pytest.mark.newest_cli
def test_simulate_on_and_off(kernel: Kernel, api: Simulator) -> None:
    """Another scenario answers, and then the API as before."""
    before = api.request_count

    kernel.run("%claude simulate on failures")
    assert kernel.run("%claude ask fail 403").reply["ename"] == "PermissionDeniedError"
    kernel.run("%claude simulate off")

    assert api.request_count == before
    assert kernel.run("%claude ask hello").text.startswith("You said: hello")


# Permission.


def test_permission_is_asked_in_the_cell(kernel: Kernel, folder: Path) -> None:
    """Yes for once; no; own words, which Claude reads; this very command for the session, and no other."""
    made = [folder / name for name in ("first", "second", "third", "fourth", "fifth")]

    yes = kernel.run("%claude ask make the file first", answers=["y"])
    no = kernel.run("%claude ask make the file second", answers=["n"])
    words = kernel.run("%claude ask make the file third", answers=["call it otherwise"])
    always = kernel.run("%claude ask make the file fourth", answers=["a"])
    silent = kernel.run("%claude ask make the file fourth", answers=[])
    other = kernel.run("%claude ask make the file fifth", answers=["n"])

    assert yes.questions[0].startswith("Claude wants to use Bash: echo made > first\nAllow? ")
    assert [path.exists() for path in made] == [True, False, False, True, False]
    assert "does not allow" in no.text
    assert "call it otherwise" in words.text
    assert [len(cell.questions) for cell in (always, silent, other)] == [1, 0, 1]


def test_permission_without_anybody_to_ask(kernel: Kernel, folder: Path) -> None:
    """As under nbclient and papermill: denied, and the cell says so and what to do."""
    cell = kernel.run("%claude ask make the file nobody")

    assert cell.printed == ""
    assert unasked_notice(["Bash"]) in cell.text
    assert not (folder / "nobody").exists()
    assert kernel.value("len(_claude.denials)") == "1"

    kernel.run("%claude ask --new --allow Bash make the file nobody")
    assert (folder / "nobody").exists()


def test_interrupted_while_asking(kernel: Kernel, folder: Path) -> None:
    """The tool does not run, and the session goes on."""
    cell = kernel.run("%claude ask make the file asked", answers=[Kernel.INTERRUPT])

    assert "echo made > asked" in cell.questions[0]
    assert "KeyboardInterrupt: stopped" in cell.error
    assert not (folder / "asked").exists()
    assert kernel.run("%claude ask still there?").text.startswith("You said: still there?")


# Stopping.


def test_interrupt(kernel: Kernel) -> None:
    """The text stays, the run is marked, Run All stops, and the same process answers the next prompt."""
    kernel.run("%claude ask hello")
    pid = kernel.value("client.get_session('main').pid")
    long = kernel.start("%%claude\ngo on for long")
    after = kernel.start("after = 1")

    cell = kernel.follow(long, on=interrupt_after(kernel, 5))

    assert cell.reply["status"] == "error"
    assert cell.reply["ename"] == "KeyboardInterrupt"
    assert cell.error == "KeyboardInterrupt: stopped, see above."
    assert cell.text.startswith("w0 w1 w2")
    assert notice(Outcome.INTERRUPTED) in cell.text
    assert set(cell.updates[-1]) == MIME_TYPES
    assert kernel._reply(after)["status"] == "aborted"
    assert (
        kernel.value("_claude.outcome.value, _claude.text[:5], 'after' in globals()")
        == "('interrupted', 'w0 w1', False)"
    )
    assert kernel.run("%claude ask still there?").text.startswith("You said: still there?")
    assert kernel.value("client.get_session('main').pid") == pid


def test_in_the_background(kernel: Kernel) -> None:
    """The cell is over at once, its display goes on, an interrupt ends only a wait, and the handle brings the text."""
    cell = kernel.run("%%claude --bg -s away -o run\ngo on for long")
    assert (cell.reply["status"], cell.error, cell.printed) == ("ok", "", "")
    assert len(cell.updates) == 1
    assert kernel.value("run.is_done") == "False"

    waiting = kernel.run("print('waiting')\nrun.result()", on=interrupt_when_printed(kernel))
    assert "KeyboardInterrupt" in waiting.error
    assert kernel.run("%claude ask hello").text.startswith("You said: hello")
    assert kernel.value("run.is_done") == "False"

    kernel.run("run.stop()")
    shown = kernel.display(cell)
    assert shown["text/plain"].startswith("→ run\n\nw0 w1 w2")
    assert "Stopped by you" in shown["text/plain"]
    assert set(shown) == MIME_TYPES
    assert kernel.value("run.result().outcome.value, _claude is run.result()") == "('interrupted', True)"


def test_a_second_interrupt_ends_the_process(kernel: Kernel, api: Simulator) -> None:
    """A CLI that hangs is ended by force; the next prompt resumes the conversation in a new one."""
    kernel.run("%claude ask remember the word plum")
    pid = int(kernel.value("client.get_session('main').pid"))
    stopped = [False]

    def on(kind: str, content: Content) -> None:
        if kind == "update_display_data" and content["data"]["text/plain"].startswith("w0 ") and not stopped[0]:
            stopped[0] = True
            psutil.Process(pid).suspend()
            kernel.manager.interrupt_kernel()
            time.sleep(0.5)  # a person needs some time as well; a second one at once would be the same signal
            kernel.manager.interrupt_kernel()

    began = time.monotonic()
    cell = kernel.run("%%claude\ngo on for long", on=on)

    assert time.monotonic() - began < 30
    assert "KeyboardInterrupt" in cell.error
    assert cell.text.startswith("w0")
    assert notice(Outcome.INTERRUPTED, process_gone=True) in cell.text
    assert not psutil.pid_exists(pid)
    assert kernel.run("%claude ask still there?").text.startswith("You said: still there?")
    assert int(kernel.value("client.get_session('main').pid")) != pid
    assert "remember the word plum" in last_body(api)


# Nothing is left.


def pids_in(path: Path, count: int) -> list[psutil.Process]:
    """Wait until a tool has written the pids of its processes."""
    deadline = time.monotonic() + GUARD_S
    while not path.exists() or len(path.read_text().split()) < count:
        assert time.monotonic() < deadline, f"no tool has written {path.name}"
        time.sleep(0.02)
    return [psutil.Process(int(pid)) for pid in path.read_text().split()]


def assert_gone(processes: list[psutil.Process]) -> None:
    deadline = time.monotonic() + GONE_S
    while alive(processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive(processes) == []


@pytest.mark.parametrize("end", ["shutdown", "restart", "SIGTERM", "SIGKILL"])
def test_the_end_of_a_kernel_leaves_nothing(begin: Callable[[], tuple[Kernel, Path]], end: str) -> None:
    """Neither the CLI, nor a tool that runs, nor one that was detached."""
    kernel, folder = begin()
    kernel.run("%claude ask --allow Bash detach one")
    busy = end.startswith("SIG")
    if busy:
        kernel.start("%claude ask run a long tool")
    left = pids_in(folder / "detached", 1) + (pids_in(folder / "pids", 2) if busy else [])
    left += kernel.children()
    assert len(alive(left)) >= 3

    if end == "shutdown":
        kernel.manager.shutdown_kernel(now=False)
    elif end == "restart":
        kernel.manager.restart_kernel(now=False)
    else:
        psutil.Process(kernel.pid).send_signal(15 if end == "SIGTERM" else 9)

    assert_gone(left)


@pytest.mark.newest_cli
def test_a_forked_kernel(begin: Callable[[], tuple[Kernel, Path]]) -> None:
    """A worker cannot use the client, and does not keep the CLI alive when the kernel dies."""
    kernel, folder = begin()
    kernel.run("%claude ask --allow Bash detach one")
    kernel.run(
        "import multiprocessing, time\n"
        "def work(pipe):\n"
        "    try: client.execute('main', 'hi')\n"
        "    except Exception as error: pipe.send(f'{type(error).__name__}: {error}')\n"
        "    time.sleep(300)\n"
        "fork = multiprocessing.get_context('fork'); mine, theirs = fork.Pipe()\n"
        "worker = fork.Process(target=work, args=(theirs,)); worker.start(); said = mine.recv()"
    )
    assert kernel.value("said").startswith("'RuntimeError: This client belongs to the process that made it")
    worker = psutil.Process(int(kernel.value("worker.pid")))
    left = [process for process in kernel.children() if process != worker] + pids_in(folder / "detached", 1)
    try:
        psutil.Process(kernel.pid).kill()
        assert_gone(left)
        assert worker.is_running()
    finally:
        worker.kill()


@pytest.mark.newest_cli
def test_loading_starts_nothing(begin: Callable[[], tuple[Kernel, Path]]) -> None:
    """No process, no file in the working folder, not a word."""
    kernel, folder = begin()
    again = kernel.run("%reload_ext claude_magic")

    assert (again.printed, again.updates, again.error) == ("", [], "")
    assert [child for child in kernel.children() if "claude" in " ".join(child.cmdline())] == []
    assert list(folder.iterdir()) == []


def test_no_account(environment: dict[str, str], tmp_path: Path) -> None:
    """Without credentials and without a word about simulating, it is an error that says how to log in."""
    offline = {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{_free_port()}", "CLAUDE_CODE_MAX_RETRIES": "0"}
    with running_kernel(environment | offline, tmp_path) as kernel:
        kernel.run("%load_ext claude_magic")
        cell: Cell = kernel.run("%claude ask hi")

    assert cell.reply["ename"] == "AuthenticationError"
    assert "claude setup-token" in cell.text
    assert "%claude simulate on" in cell.text


def _free_port() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
