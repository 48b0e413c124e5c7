"""The kernel's simulator: off unless somebody says otherwise, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from claude_magic.background_loop import background_loop
from claude_magic.errors import CLINotFoundError
from claude_magic.magics.simulation import VARIABLE, Simulation

LOGGED_IN = {"account": {"tokenSource": "claude.ai", "apiProvider": "firstParty"}}
LOGGED_OUT = {"account": {"tokenSource": "none", "apiProvider": "firstParty"}}


def unasked() -> dict[str, Any]:
    raise AssertionError("nobody should have asked")


@pytest.fixture
def closed() -> list[str]:
    """What was closed."""
    return []


@pytest.fixture
def simulation(closed: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A simulation that is switched off at the end."""
    monkeypatch.delenv(VARIABLE, raising=False)
    made = Simulation(lambda: closed.append("sessions"))
    yield made
    made.switch_off()


@pytest.mark.parametrize("wish", ["", "off", "0", "yes"])
def test_off_by_itself(simulation: Simulation, monkeypatch: pytest.MonkeyPatch, wish: str) -> None:
    """Only the words `auto` and `on` switch it on, and nobody is asked for anything."""
    monkeypatch.setenv(VARIABLE, wish)

    assert simulation.decide(unasked) == ""
    assert simulation.endpoint is None


def test_auto_asks_who_is_logged_in(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an account the answers are real, and it is asked once."""
    monkeypatch.setenv(VARIABLE, "auto")

    assert simulation.decide(lambda: LOGGED_IN) == ""
    assert simulation.decide(unasked) == ""
    assert simulation.endpoint is None


def test_auto_without_an_account(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator serves, and the user is told once, with the way out."""
    monkeypatch.setenv(VARIABLE, "AUTO")

    words = simulation.decide(lambda: LOGGED_OUT)

    assert "no model is called" in words
    assert "%claude simulate off" in words
    assert simulation.endpoint is not None
    assert simulation.decide(unasked) == ""


def test_on_does_not_speak_of_a_missing_account(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looked for one."""
    monkeypatch.setenv(VARIABLE, "on")

    words = simulation.decide(unasked)

    assert "no model is called" in words
    assert "account" not in words


@pytest.mark.parametrize("error", [KeyboardInterrupt(), CLINotFoundError("none")])
def test_a_question_that_failed_is_asked_again(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A stopped first cell must not mean that the next one calls the real API."""
    monkeypatch.setenv(VARIABLE, "auto")

    def fail() -> dict[str, Any]:
        raise error

    with pytest.raises(type(error)):
        simulation.decide(fail)

    assert simulation.decide(lambda: LOGGED_OUT) != ""


def test_the_users_word_stands(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switched off by hand, the environment does not switch it on again."""
    monkeypatch.setenv(VARIABLE, "on")

    simulation.switch_off()

    assert simulation.decide(unasked) == ""


def test_on_and_off(simulation: Simulation, closed: list[str]) -> None:
    """It serves on loopback with a folder of its own; off, its sessions, its port and its folder are gone."""
    background_loop().run(lambda: None)  # sessions live on a loop that runs
    endpoint = simulation.switch_on()
    assert simulation.switch_on() == endpoint
    assert Path(endpoint.config_dir).is_dir()

    simulation.switch_off()

    assert closed == ["sessions"]
    assert simulation.endpoint is None
    assert not Path(endpoint.config_dir).exists()
    with pytest.raises(URLError):
        urlopen(endpoint.url, timeout=5)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_closed_terminal_leaves_no_folder(tmp_path: Path, number: int) -> None:
    """It ends the kernel with no chance to clear up; the folder goes all the same."""
    program = (
        "import time\nfrom claude_magic.magics.simulation import Simulation\n"
        "print(Simulation(lambda: None).switch_on().config_dir, flush=True)\ntime.sleep(300)"
    )
    argv, environment = [sys.executable, "-c", program], {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True) as kernel:
        assert kernel.stdout is not None
        folder = Path(kernel.stdout.readline().strip())
        was_there = folder.is_dir()
        kernel.send_signal(number)

    assert was_there
    assert folder.parent == tmp_path
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(tmp_path.iterdir()) == []


def test_a_scenario_there_is_none(simulation: Simulation) -> None:
    """Nothing is switched on, and a running one plays on."""
    with pytest.raises(ValueError, match="nosuch"):
        simulation.switch_on("nosuch")
    assert simulation.endpoint is None

    endpoint = simulation.switch_on("failures")
    with pytest.raises(ValueError, match="nosuch"):
        simulation.switch_on("nosuch")
    assert simulation.endpoint == endpoint
