"""The command `claude-magic simulate`: serve a scenario until told to stop."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from claude_magic.simulator.loading import load_scenario, scenario_names
from claude_magic.simulator.scenario import Scenario
from claude_magic.simulator.server import Simulator, new_key

__all__ = ["main"]

_INSTRUCTIONS = """\
Serving the simulated Messages API at {url}  (scenario: {name}; no model is called)

In another terminal, before you start claude:

  unset ANTHROPIC_AUTH_TOKEN CLAUDE_CODE_OAUTH_TOKEN
  export ANTHROPIC_BASE_URL={url}
  export ANTHROPIC_API_KEY={key}
  export CLAUDE_CONFIG_DIR="$(mktemp -d)"

Stop with Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (None: those of the process) and return its exit code.

    0 is a good end, 1 a scenario with a mistake or a port in use. Wrong options end the process with code 2.
    """
    options = _parser().parse_args(argv)
    if options.list:
        return _list()
    try:
        if options.check is not None:
            return _check(options.check)
        return _serve(load_scenario(options.scenario), options.port, options.pace)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-magic simulate",
        description="A stand-in for the Anthropic Messages API on loopback: the Claude CLI runs with no account.",
    )
    parser.add_argument("--scenario", default="default", metavar="FILE|NAME", help="what to answer (default: default)")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--pace", type=float, default=1.0, help="multiplies every pause; 0 is at once (default: 1)")
    parser.add_argument("--list", action="store_true", help="list the scenarios that come with the package and exit")
    parser.add_argument("--check", metavar="FILE", help="check a scenario file and exit")
    return parser


def _list() -> int:
    for name in scenario_names():
        print(f"{name:<12} {load_scenario(name).description}")
    return 0


def _check(path: str) -> int:
    scenario = load_scenario(path)
    print(f"{path}: good; scenario {scenario.name!r} with {len(scenario.rules)} rules")
    return 0


def _serve(scenario: Scenario, port: int, pace: float) -> int:
    with _stop_signals() as stopped, Simulator(scenario, port=port, pace=pace, key=new_key()) as simulator:
        print(_INSTRUCTIONS.format(url=simulator.url, name=scenario.name, key=simulator.key), flush=True)
        stopped.wait()
        print(f"\nStopped after {simulator.request_count} requests.")
    return 0


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set. Must be entered on the main thread, where Python handles signals."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
