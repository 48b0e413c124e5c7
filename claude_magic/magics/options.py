"""The options of `%%claude` and `%claude ask`: one table, parsed so that an option never swallows the prompt."""

from __future__ import annotations

import argparse
import keyword
import re
from dataclasses import dataclass
from typing import Any

from claude_magic.config import EFFORTS, PERMISSION_MODES
from claude_magic.kernel.level import KernelLevel
from claude_magic.magics.parsing import LineParser, at_least_one


@dataclass(frozen=True)
class Options:
    """What the first line of a cell said; `None` and "" are what was not said."""

    session: str = "main"
    model: str | None = None
    effort: str | None = None
    output: str | None = None
    schema: str | None = None
    system: str | None = None
    tools: tuple[str, ...] | None = None
    allow: tuple[str, ...] | None = None
    permission_mode: str | None = None
    max_turns: int | None = None
    budget: float | None = None
    cwd: str | None = None
    new: bool = False
    resume: str | None = None
    fork: str | None = None
    attach: tuple[str, ...] = ()
    cells_above: int | None = None
    bg: bool = False
    steer: bool = False
    timeout: float | None = None
    keep: bool = False
    fresh: bool = False
    raw: bool = False
    dry_run: bool = False
    quiet: bool = False
    kernel: KernelLevel | None = None
    offer: tuple[str, ...] = ()
    mcp: tuple[str, ...] = ()
    map: str | None = None


def _words(text: str) -> tuple[str, ...]:
    # Commas inside brackets belong to a rule, such as Bash(git add, git commit).
    return tuple(word for word in (part.strip() for part in re.split(r",(?![^(]*\))", text)) if word)


def _name(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name for a variable")
    return text


def _level(text: str) -> KernelLevel:
    try:
        return KernelLevel(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(KernelLevel)}") from None


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _nonempty(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return text


def _parser() -> LineParser:
    parser = LineParser("%%claude", "`%claude help --all` lists the options. Nothing was sent.")
    modes, levels = ", ".join(PERMISSION_MODES), ", ".join(KernelLevel)
    add = parser.add_argument_group("Which conversation").add_argument
    add("-s", "--session", type=_nonempty, default="main", metavar="NAME", help="which conversation; made if new")
    add("--new", action="store_true", help="begin the conversation anew")
    add("--resume", type=_nonempty, metavar="ID", help="go on with an earlier conversation of the CLI")
    add("--fork", type=_nonempty, metavar="NAME", help="begin a new session as a copy of an open one")
    add("--cwd", metavar="DIR", help="folder of a new session")
    add = parser.add_argument_group("What goes in").add_argument
    add("--map", type=_nonempty, metavar="FRAME", help="send the prompt for each row; {column} is a value of the row")
    add("--attach", nargs="+", action="extend", default=[], metavar="EXPR", help="send text, tables, pictures along")
    add("--cells-above", type=at_least_one, metavar="N", help="send the N cells above along, with their outputs")
    add("--raw", action="store_true", help="fill in nothing")
    add("--dry-run", action="store_true", help="show what would be sent, and send nothing")
    add = parser.add_argument_group("Who answers, and how").add_argument
    add("-m", "--model", type=_nonempty, metavar="M", help="opus, haiku, …: of a new session, else of this prompt")
    add("--effort", choices=EFFORTS, metavar="E", help=f"how hard to think: {', '.join(EFFORTS)}")
    add("--system", metavar="TEXT", help="system prompt of a new session")
    add("--max-turns", type=at_least_one, metavar="N", help="API calls a prompt of a new session may take")
    add("--budget", type=_positive, metavar="USD", help="what a new session may spend")
    add("--timeout", type=_positive, metavar="S", help="longest this prompt may take, in seconds")
    add = parser.add_argument_group("What comes out").add_argument
    add("-o", "--output", type=_name, metavar="VAR", help="put the response, or the object of --schema, into VAR")
    add("--schema", metavar="VAR_OR_JSON", help="JSON Schema, pydantic model, dataclass, or `table`")
    add("--keep", action="store_true", help="keep the answer; the same cell is answered by it, for nothing")
    add("--fresh", action="store_true", help="ask again, and keep the new answer instead")
    add("--quiet", action="store_true", help="show nothing")
    add = parser.add_argument_group("Meanwhile").add_argument
    add("--bg", action="store_true", help="run in the background; -o VAR gets a handle with .result() and .stop()")
    add("--steer", action="store_true", help="send it in with the next step of the turn that runs in the session")
    add = parser.add_argument_group("What Claude may do").add_argument
    add("--kernel", type=_level, metavar="LEVEL", help=f"what Claude may do in this kernel; one of {levels}")
    add("--offer", type=_words, default=(), metavar="FUNC,…", help="functions of this notebook that Claude may call")
    add(
        "--mcp",
        type=_words,
        default=(),
        metavar="NAME,…",
        help="MCP servers of a new session, by their names",
    )
    add("--tools", type=_words, metavar="A,B", help="the only tools of a new session")
    add("--allow", type=_words, metavar="A,B", help="tools of a new session that run without asking")
    add("--permission-mode", choices=PERMISSION_MODES, metavar="MODE", help=f"as for -m: {modes}")
    return parser


_PARSER = _parser()


def flags() -> dict[str, argparse.Action]:
    """Return every option by each of its names, short ones too."""
    return _PARSER.flags


def options_help() -> str:
    """Return one line per option, in groups with a title."""
    lines = []
    for group in _PARSER._action_groups:
        lines += [f"  {group.title}"] if group._group_actions else []
        for action in group._group_actions:
            names = ", ".join(action.option_strings)
            metavar = f" {action.metavar}" if action.metavar else ""
            lines.append(f"    {names + metavar:<28} {action.help}")
    return "\n".join(lines)


def parse_options(line: str) -> Options:
    """Return the options of a cell's first line.

    Args:
        line: everything after `%%claude`.

    Raises:
        UsageError: an option is unknown or its value makes no sense; one line that says which.
    """
    words: list[str] = []
    end = len(line.rstrip())
    position = 0
    while position < end:
        option = _ASSIGNED.match(line, position)
        word, position = _word(line, option.end() if option else position)
        words.append(option[0].strip() + word if option else word)
    return _parse(words)


def split_prompt(line: str) -> tuple[Options, str]:
    """Return the options at the beginning of a line, and the rest of it exactly as typed.

    Args:
        line: everything after `%claude ask`. Only what begins with a dash and stands before the first word of the
            prompt is an option; `--` ends the options.

    Raises:
        UsageError: as for `parse_options`.
    """
    flags = _PARSER.flags
    words: list[str] = []
    rest = line.lstrip()
    while (match := re.match(r"(--?[A-Za-z][\w-]*)(=?)", rest)) or re.match(r"--(\s|$)", rest):
        if match is None:
            rest = rest[3:]
            break
        action = flags.get(match[1])
        end = match.end()
        if action is None or (action.nargs == 0 and match[2]):
            odd = _PARSER.unknown(match[1])
            _PARSER.error(f"unrecognized option {odd} (put -- before a prompt that begins with a dash)")
        if action.nargs == 0:
            words.append(match[1])
        else:
            if not rest[end:].strip():
                _PARSER.error(f"{match[1]} needs a value")
            value, end = _word(rest, end)
            words.append(f"{match[1]}={value}" if match[1].startswith("--") else match[1] + value)
        rest = rest[end:].lstrip()
    return _parse(words), rest


_ASSIGNED = re.compile(r"\s*--[A-Za-z][\w-]*=(?=\S)")
_QUOTED = re.compile(r"\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)')(?=\s|$)")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def _word(text: str, begin: int) -> tuple[str, int]:
    """Return the word that begins at or after `begin`, and where it ends.

    A word in quotes is what stands between them. Any other ends at the first space outside of quotes and brackets:
    `df[["a", "b"]]`, `{"type": "object"}` and `Bash(git *)` are one word each, with their quotes.
    """
    if quoted := _QUOTED.match(text, begin):
        inside = quoted[2] if quoted[1] is None else re.sub(r"\\([\"\\])", r"\1", quoted[1])
        return inside, quoted.end()
    begin = position = begin + len(text[begin:]) - len(text[begin:].lstrip())
    open_until: list[str] = []
    while position < len(text):
        char = text[position]
        if open_until and open_until[-1] in "\"'":
            position += char == "\\"
            if char == open_until[-1]:
                open_until.pop()
        elif char in "\"'":
            open_until.append(char)
        elif char in _CLOSING:
            open_until.append(_CLOSING[char])
        elif open_until and char == open_until[-1]:
            open_until.pop()
        elif char.isspace() and not open_until:
            break
        position += 1
    if open_until:
        _PARSER.error(f"{text[begin:]!r} cannot be read: {open_until[-1]} is missing")
    return text[begin:position], position


def wants_help(line: str) -> bool:
    """Whether what follows the magic asks for its help."""
    return line.split(maxsplit=1)[:1] in (["--help"], ["-h"])


def _parse(words: list[str]) -> Options:
    known, rest = _PARSER.parse_known_args(words)
    if rest:
        odd = rest[0]
        if odd.startswith("-"):
            _PARSER.error(f"unrecognized option {_PARSER.unknown(odd)}")
        _PARSER.error(f"{odd!r} stands among the options: the prompt goes below the first line")
    values: dict[str, Any] = vars(known)
    if values["fork"] is not None and values["resume"] is not None:
        _PARSER.error("--fork and --resume are two conversations to begin with")
    values["attach"] = tuple(values["attach"])
    return Options(**values)
