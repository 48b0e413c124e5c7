"""The reaper and the owner tags: what is found, what is ended, and that it happens however the kernel ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from claude_magic.cli import reaper
from claude_magic.cli.encoder import user_message
from claude_magic.cli.process import CHILDREN, Process
from claude_magic.cli.reaper import OWNER_VARIABLE, alive, creation_time, find_tagged, sweep, tree
from claude_magic.cli.transport import Launch

HERE = Path(__file__).parents[1]
FAKE_CLI = str(HERE / "fake_cli.py")
LONE_KERNEL = str(HERE / "lone_kernel.py")
SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(300)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)",
]
GUARD_S = 20.0

Run = Callable[..., "subprocess.Popen[bytes]"]
Kernel = Callable[..., "tuple[subprocess.Popen[bytes], dict[str, Any]]"]
EVERYWHERE = pytest.mark.parametrize("guarded", [True, False], ids=["guard", "no guard"])
"""Below a guard, as on Linux, and without one, as elsewhere."""


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts small programs, with an owner tag or without, and ends them with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(argv: list[str] = SLEEP, owner_tag: str | None = None, **options: Any) -> subprocess.Popen[bytes]:
        environment = {**os.environ, OWNER_VARIABLE: owner_tag} if owner_tag else None
        started.append(subprocess.Popen(argv, env=environment, **options))
        while owner_tag and psutil.Process(started[-1].pid).environ().get(OWNER_VARIABLE) != owner_tag:
            time.sleep(0.001)  # `exec` empties the environment that others see for a moment before it fills it
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def kernel(run: Run, tmp_path: Path) -> Iterator[Kernel]:
    """Starts a Python process that uses `Process`; returns it and its report. Its forked worker ends with the test."""
    workers: list[psutil.Process] = []

    def start(
        *prompts: str, then: str = "wait", manner: str = "normal", until: str = "result", guarded: bool = True
    ) -> Any:
        plan = {
            "argv": [sys.executable, FAKE_CLI], "environment": {"PATH": os.environ["PATH"], "FAKE_CLI": manner},
            "folder": str(tmp_path), "prompts": prompts, "until": until, "then": then,
            "guarded": guarded,
        }  # fmt: skip
        process = run([sys.executable, LONE_KERNEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(plan).encode())
        process.stdin.close()
        process.stdin = None
        report = json.loads(process.stdout.readline())
        if "worker" in report:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended with the one that forked it
                workers.append(psutil.Process(report["worker"]))
        return process, report

    yield start
    for worker in alive(workers):
        worker.kill()


def all_gone(processes: list[psutil.Process]) -> bool:
    """Wait, up to a generous bound, until none of the processes runs any more."""
    deadline = time.monotonic() + GUARD_S
    while alive(processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(processes)


# Finding.


def test_reaper_finds_an_owner_tag_only_whole(run: Run) -> None:
    """`x:1` does not find `x:12`, and the beginning of an owner's id finds nothing."""
    owner = uuid.uuid4().hex
    first, twelfth = run(owner_tag=f"{owner}:1"), run(owner_tag=f"{owner}:12")
    run()

    assert [process.pid for process in find_tagged(f"{owner}:1")] == [first.pid]
    assert {process.pid for process in find_tagged(f"{owner}:")} == {first.pid, twelfth.pid}
    assert find_tagged(owner) == []


def test_reaper_does_not_look_at_processes_from_before(run: Run) -> None:
    """The time of creation narrows the search."""
    owner = uuid.uuid4().hex
    process = run(owner_tag=f"{owner}:1")
    created = creation_time(process.pid)

    assert len(find_tagged(f"{owner}:1", since=created)) == 1
    assert find_tagged(f"{owner}:1", since=created + 60) == []


def test_reaper_takes_a_zombie_as_gone(run: Run) -> None:
    """A process that ended and was not reaped yet does not count."""
    process = run(owner_tag=f"{uuid.uuid4().hex}:1")
    identity = psutil.Process(process.pid)
    assert alive([identity, identity]) == [identity]

    process.send_signal(signal.SIGKILL)

    assert all_gone([identity])
    assert process.returncode is None


def test_reaper_tree_has_everything_below(run: Run) -> None:
    """Children in sessions of their own belong to it; the same number with another birthday does not."""
    start = f"subprocess.Popen({SLEEP!r}, start_new_session=True)"
    child = f"import subprocess; p = {start}; print(p.pid, flush=True); p.wait()"
    parent = run([sys.executable, "-c", child], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    grandchild = psutil.Process(int(parent.stdout.readline()))
    created = creation_time(parent.pid)

    assert [process.pid for process in tree(parent.pid, created)] == [parent.pid, grandchild.pid]
    assert tree(parent.pid, created - 60) == []

    sweep(lambda: [*tree(parent.pid), grandchild], term_s=0.5, total_s=GUARD_S)
    assert all_gone([grandchild])


# Ending.


def test_reaper_sweep_asks_first_and_then_forces(run: Run) -> None:
    """One ends by SIGTERM, a deaf one by SIGKILL."""
    polite, deaf = run(), run(DEAF, stdout=subprocess.PIPE)
    assert deaf.stdout is not None
    deaf.stdout.readline()

    left_nothing = sweep(lambda: [psutil.Process(p.pid) for p in (polite, deaf)], term_s=0.3, total_s=GUARD_S)

    assert left_nothing
    assert polite.wait(GUARD_S) == -signal.SIGTERM
    assert deaf.wait(GUARD_S) == -signal.SIGKILL


def test_reaper_sweep_looks_again(run: Run) -> None:
    """What appears while others are ended is ended too."""
    rounds = [[psutil.Process(run().pid)], [psutil.Process(run().pid)], []]
    everybody = [process for found in rounds for process in found]

    assert sweep(lambda: rounds.pop(0), term_s=0.3, total_s=GUARD_S)

    assert all_gone(everybody)


def test_reaper_sweep_gives_up_in_time(run: Run) -> None:
    """When there is always a new process it ends and says so."""
    assert not sweep(lambda: [psutil.Process(run().pid)], term_s=0.3, total_s=0.1)


# The script.


def start_reaper(run: Run, owner: str) -> subprocess.Popen[bytes]:
    folder = str(Path(psutil.__file__).parent.parent)
    argv = [sys.executable, "-P", "-S", "-E", str(reaper.__file__), folder, owner]
    return run(argv, stdin=subprocess.PIPE, start_new_session=True)


def test_reaper_script_ends_tagged_processes_when_its_pipe_closes(run: Run) -> None:
    """They live as long as the pipe is open, and no longer."""
    owner = uuid.uuid4().hex
    child = psutil.Process(run(owner_tag=f"{owner}:7").pid)
    script = start_reaper(run, owner)
    assert alive([child])

    script.communicate(timeout=GUARD_S)

    assert script.returncode == 0
    assert all_gone([child])


def test_reaper_script_ends_the_trees_it_was_told_of(run: Run) -> None:
    """Also without an owner tag; but not a child that was taken back, nor one with another birthday."""
    told, taken_back, other = (psutil.Process(run().pid) for _ in range(3))
    script = start_reaper(run, uuid.uuid4().hex)
    lines = [
        f"+ {told.pid} {creation_time(told.pid)}",
        f"+ {taken_back.pid} {creation_time(taken_back.pid)}",
        f"- {taken_back.pid}",
        f"- {taken_back.pid}",
        f"+ {other.pid} {creation_time(other.pid) - 60}",
    ]

    script.communicate("\n".join([*lines, ""]).encode(), timeout=GUARD_S)

    assert script.returncode == 0
    assert alive([told, taken_back, other]) == [taken_back, other]


def test_reaper_script_removes_the_folders_it_was_told_of(run: Run, tmp_path: Path) -> None:
    """With all that is in them, whatever their name; not one that was taken back, and one that is gone is no matter."""
    told, taken_back = tmp_path / "of two\nlines", tmp_path / "taken back"
    for folder in (told, taken_back):
        (folder / "below").mkdir(parents=True)
        (folder / "below" / "file").write_text("x")
    gone = tmp_path / "gone"
    lines = [
        *(f"+folder {os.fsencode(folder).hex()}" for folder in (gone, told, taken_back)),
        f"-folder {os.fsencode(taken_back).hex()}",
    ]
    script = start_reaper(run, uuid.uuid4().hex)

    script.communicate("\n".join([*lines, ""]).encode(), timeout=GUARD_S)

    assert script.returncode == 0
    assert list(tmp_path.iterdir()) == [taken_back]


def test_reaper_script_ends_by_its_pipe_alone(run: Run) -> None:
    """Signals to the kernel's surroundings do not make it leave its post."""
    owner = uuid.uuid4().hex
    child = psutil.Process(run(owner_tag=f"{owner}:1").pid)
    script = start_reaper(run, owner)
    status = Path(f"/proc/{script.pid}/status")
    ignored = sum(1 << (number - 1) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    deadline = time.monotonic() + GUARD_S
    while time.monotonic() < deadline:
        mask = next(line for line in status.read_text().splitlines() if line.startswith("SigIgn"))
        if int(mask.split()[1], 16) & ignored == ignored:
            break
        time.sleep(0.02)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        script.send_signal(number)
    script.communicate(timeout=GUARD_S)

    assert script.returncode == 0
    assert all_gone([child])


# The owner.


def test_children_start_nothing_by_an_import() -> None:
    """The reaper comes with the first child."""
    script = (
        "import psutil\nfrom claude_magic.cli.process import CHILDREN\n"
        "print(CHILDREN.reaper_pid, psutil.Process().children())"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=HERE.parent, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["None", "[]"]


async def test_children_replace_a_reaper_that_was_killed_at_once(tmp_path: Path) -> None:
    """With no new child: the new one is another process, in a session of its own, without the owner's tag."""
    launch = Launch((sys.executable, FAKE_CLI), (("PATH", os.environ["PATH"]),), str(tmp_path))
    process = await Process.start(launch)
    before = CHILDREN.reaper_pid
    assert before is not None

    os.kill(before, signal.SIGKILL)

    async with asyncio.timeout(GUARD_S):
        while CHILDREN.reaper_pid == before:  # noqa: ASYNC110  another thread replaces it
            await asyncio.sleep(0.01)
    after = CHILDREN.reaper_pid
    assert after is not None
    assert os.getsid(after) == after
    assert OWNER_VARIABLE not in psutil.Process(after).environ()
    await process.close()


# Kernels that end.


@EVERYWHERE
def test_reaper_leaves_nothing_of_a_killed_kernel(kernel: Kernel, guarded: bool) -> None:
    """kill -9: the CLI, what its tool started, what that detached, and the reaper are gone."""
    process, report = kernel("spawn", guarded=guarded)
    left = [psutil.Process(int(pid)) for pid in (report["cli"], report["reaper"], *report["answers"][0].split())]
    assert len(alive(left)) == 4

    process.kill()

    assert all_gone(left)
    assert find_tagged(f"{report['owner']}:") == []


@EVERYWHERE
def test_reaper_leaves_no_stubborn_cli_of_a_killed_kernel(kernel: Kernel, guarded: bool) -> None:
    """A CLI that ignores the end of stdin and SIGTERM goes too."""
    process, report = kernel("anything", manner="stubborn", until="stderr", guarded=guarded)
    left = [psutil.Process(report["cli"]), psutil.Process(report["reaper"])]

    process.kill()

    assert all_gone(left)


@EVERYWHERE
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_reaper_leaves_nothing_of_a_terminated_kernel(kernel: Kernel, number: int, guarded: bool) -> None:
    """Signals that end a Python process without any clean-up count as death too."""
    process, report = kernel("spawn", guarded=guarded)
    left = [psutil.Process(int(pid)) for pid in (report["cli"], report["reaper"], *report["answers"][0].split())]

    process.send_signal(number)

    assert all_gone(left)


@EVERYWHERE
def test_reaper_leaves_nothing_of_a_kernel_that_closes(kernel: Kernel, guarded: bool) -> None:
    """The orderly way: the reaper finds nothing to do and goes."""
    process, report = kernel("spawn", then="close", guarded=guarded)
    pids = (report["reaper"], *report["answers"][0].split())
    left = [psutil.Process(int(pid)) for pid in pids if psutil.pid_exists(int(pid))]

    assert report["exit_code"] == 0
    assert process.wait(GUARD_S) == 0
    assert all_gone(left)


# Kernels that fork.


@EVERYWHERE
def test_reaper_is_not_delayed_by_a_forked_worker(kernel: Kernel, guarded: bool) -> None:
    """The worker outlives the kernel, and holds neither the reaper's pipe nor the CLI's stdin."""
    process, report = kernel("spawn", then="fork", guarded=guarded)
    worker = psutil.Process(report["worker"])
    left = [psutil.Process(int(pid)) for pid in (report["cli"], report["reaper"], *report["answers"][0].split())]
    assert len(alive(left)) == 4  # the worker's `kill_all` has ended nothing

    process.kill()

    assert all_gone(left)
    assert alive([worker])


def test_children_of_a_forked_worker_are_none(kernel: Kernel) -> None:
    """It has an id of its own."""
    _, report = kernel("hello", then="fork")

    assert report["worker_owner"] != report["owner"]


@EVERYWHERE
def test_process_stdin_ends_also_in_a_forked_worker(kernel: Kernel, guarded: bool) -> None:
    """With the worker alive, closing stdin still reaches the CLI: it ends by itself."""
    _, report = kernel("hello", then="fork and close", guarded=guarded)

    assert report["exit_code"] == 0


# What hides.


async def test_process_clears_up_when_its_guard_is_killed(tmp_path: Path) -> None:
    """With no one closing it: the CLI and what carries its owner tag go at once, and the line ends."""
    launch = Launch((sys.executable, FAKE_CLI), (("PATH", os.environ["PATH"]),), str(tmp_path))
    process = await Process.start(launch)
    await process.send(user_message("spawn", str(uuid.uuid4())))
    text = ""
    while len(text.split()) < 2:
        text += "".join(message.text for message in await process.receive() if message.type == "text")
    left = [psutil.Process(int(pid)) for pid in (process.pid, *text.split())]
    above = left[0].parent()
    assert above is not None

    above.kill()

    assert await asyncio.to_thread(all_gone, left)
    while await process.receive():
        pass
    assert process.exit_code == -signal.SIGKILL
    await process.close()


HIDDEN = {
    "detached": "setsid {sleep}",
    "without the tag": "env -u CLAUDE_MAGIC_OWNER setsid {sleep}",
    "empty environment": "env -i setsid {sleep}",
    "environment written over": 'setsid {python}\'e = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "environ")[0]; '
    "libc.memset(e, 109, sum(len(n) + len(v) + 2 for n, v in os.environb.items())); time.sleep(300)' {token}",
    "unreadable": "env -i setsid {python}'libc.prctl(4, 0); time.sleep(300)' {token}",
    "forked twice": "env -i {python}'os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); "
    "time.sleep(300)' {token}",
    "deaf": "env -i setsid {python}'signal.signal(15, signal.SIG_IGN); time.sleep(300)' {token}",
    "stopped": "env -i setsid {python}'os.kill(os.getpid(), 19); time.sleep(300)' {token}",
    "born again when asked to end": "env -i setsid {python}'signal.signal(15, lambda *_: os.fork() and os._exit(0)); "
    "[time.sleep(1) for _ in range(300)]' {token}",
    "always another": "env -i setsid {python}'[os.fork() and os._exit(0) or time.sleep(0.003) for _ in range(3000)]' "
    "{token}",
}
"""How a tool may leave a process behind; each is run in a shell that ends at once."""


@pytest.mark.parametrize("end", ["close", "the kernel is killed", "the CLI is killed", "its reaper, then the kernel"])
@pytest.mark.parametrize("how", HIDDEN)
def test_guard_leaves_nothing_of_what_hides(kernel: Kernel, how: str, end: str) -> None:
    """Within 5 seconds, however it ends."""
    token = uuid.uuid4().hex
    begins = f'import ctypes, os, signal, time; libc = ctypes.CDLL(None); open("{token}", "w")'
    python = f"'{sys.executable}' -S -c '{begins}\n'"
    command = HIDDEN[how].format(python=python, sleep=f"{python}'time.sleep(300)' {token}", token=token)
    ready = f"until [ -e {token} ]; do sleep 0.02; done; sleep 0.2"

    process, report = kernel(f"shell {command} > /dev/null 2>&1 & {ready}", then="close" if end == "close" else "wait")
    ended = time.monotonic()
    if end == "the CLI is killed":
        os.kill(report["cli"], signal.SIGKILL)
    if end.startswith("its reaper"):
        os.kill(report["reaper"], signal.SIGKILL)
    if "kernel" in end:
        process.kill()

    def left() -> list[int]:
        return [p.pid for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [""])[-1] == token]

    looks = 0  # one alone may miss what is always another
    while looks < 5 and time.monotonic() < ended + 5:
        looks = 0 if left() else looks + 1
        time.sleep(0.05)
    assert looks == 5
    assert process.poll() is None or end != "the CLI is killed"
