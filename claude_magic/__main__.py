"""The command line: `claude-magic`, or `python -m claude_magic`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from claude_magic._version import __version__

_EPILOG = "In a notebook: %load_ext claude_magic, then %%claude at the top of a cell."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (None: those of the process) and return its exit code.

    0 is a good end, 1 a failure that was told in words. Wrong arguments end the process with code 2.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    options, rest = _parser().parse_known_args(given)
    run: Callable[[list[str]], int] = options.run
    return run(rest)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="claude-magic", description="Claude in your notebook.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"claude_magic {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, description, run in (
        ("simulate", "a stand-in for the Messages API on loopback: the CLI runs with no account", _simulate),
        ("doctor", "look at CLI, account and folder", _doctor),
        ("version", "versions of package and CLI", _version),
    ):
        # `simulate` brings a parser, and with it a help, of its own.
        command = commands.add_parser(name, help=description, description=description, add_help=run is not _simulate)
        command.set_defaults(run=run)
    return parser


def _simulate(rest: list[str]) -> int:
    from claude_magic.simulator.command_line import main as simulate

    return simulate(rest)


def _doctor(rest: list[str]) -> int:
    _take_nothing("doctor", rest)
    from claude_magic.blocking import ClaudeClient
    from claude_magic.doctor import diagnose

    with ClaudeClient() as client:
        for line in diagnose(client, client.config):
            print(line, flush=True)
    return 0


def _version(rest: list[str]) -> int:
    _take_nothing("version", rest)
    from claude_magic.config import SessionConfig
    from claude_magic.doctor import versions
    from claude_magic.errors import CLINotFoundError

    try:
        print(versions(SessionConfig(working_dir=os.getcwd())))
    except CLINotFoundError as error:
        print(f"claude_magic {__version__}; {error.message}")
        return 1
    return 0


def _take_nothing(command: str, rest: list[str]) -> None:
    if rest:
        _parser().error(f"{command} takes no arguments: {' '.join(rest)}")


if __name__ == "__main__":
    sys.exit(main())
