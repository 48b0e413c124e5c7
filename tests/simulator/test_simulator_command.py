"""The command line: list, check, serve until told to stop."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from simulator_support import message, request

from claude_magic.simulator.command_line import main


def test_list_names_and_describes(capsys: pytest.CaptureFixture[str]) -> None:
    """One line per scenario."""
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["default", "failures"]


def test_check_tells_good_from_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 or 1, the sentence on stderr."""
    path = tmp_path / "mine.toml"
    path.write_text('[[rule]]\ntext = "a"\n', encoding="utf-8")
    assert main(["--check", str(path)]) == 0
    assert "with 1 rules" in capsys.readouterr().out

    path.write_text("[[rule]]\n", encoding="utf-8")
    assert main(["--check", str(path)]) == 1
    assert "mine.toml, rule 1: it says nothing" in capsys.readouterr().err


def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "in use" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """It prints what to export, answers, and ends with code 0."""
    command = [sys.executable, "-u", "-m", "claude_magic.simulator", "--pace", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(9)]
        exports = dict(line.split()[1].split("=", 1) for line in lines if "export" in line)
        key = {"x-api-key": exports["ANTHROPIC_API_KEY"]}
        reply = request(exports["ANTHROPIC_BASE_URL"], "POST", "/v1/messages", message("hello"), key)
        process.send_signal(number)

        assert "simulator" in reply.text
        assert exports["ANTHROPIC_API_KEY"].startswith("sk-ant-simulated")
        assert process.wait(10) == 0
        assert "Stopped after 1 requests." in process.stdout.read()
        assert process.stderr.read() == ""
