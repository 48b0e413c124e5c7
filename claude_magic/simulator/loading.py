"""Reading scenarios from TOML files, with one clear sentence for each mistake.

The shortest rule is one answer. The keys of a step may stand in the rule itself when there is only one step:

    [[rule]]
    match = "hello"
    text = "Hello!"

With steps, the k-th answers the k-th call of the turn. A step gives thinking, text and tools in this order, or blocks
in any order:

    [[rule]]
    contains = "files"
    times = 1                    # only the first time

    [[rule.step]]
    thinking = "I should look."
    text = "Let me look."
    tool = { name = "Bash", input = { command = "ls" } }    # or a list of them

    [[rule.step]]
    usage = { output_tokens = 50 }
    [[rule.step.block]]
    type = "text"
    text = "These are the files: {tool_result}"

A step may be `structured = {...}` (for --json-schema) or `fail = "529"` instead. `[pace]` and `[usage]` hold for the
whole file, `[fallback]` is the step for prompts without a rule.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claude_magic.paths import read_regular_text
from claude_magic.simulator.scenario import (
    Block,
    Pace,
    Rule,
    Scenario,
    Step,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    Usage,
    check_failure_name,
)

__all__ = ["load_scenario", "parse_scenario", "scenario_names"]

_FOLDER = Path(__file__).parent / "scenarios"

_PACE_KEYS = frozenset({"delay_s", "chunk_chars", "chunk_delay_s"})
_SAYING_KEYS = frozenset({"thinking", "text", "tool", "block", "structured", "fail"})
_STEP_KEYS = _PACE_KEYS | _SAYING_KEYS | {"fail_message", "retry_after_s", "usage", "stop_reason", "headers"}
_RULE_KEYS = _STEP_KEYS | {"match", "contains", "model", "times", "name", "step"}
_SCENARIO_KEYS = frozenset(
    {"name", "description", "pace", "usage", "fallback", "closing", "fill_schema", "rule"},
)
_BLOCK_KEYS = {
    "text": frozenset({"type", "text"}),
    "thinking": frozenset({"type", "thinking"}),
    "tool": frozenset({"type", "name", "input"}),
}
_MOST_BYTES = 10_000_000
_MOST_SECONDS = 86_400
_STOP_REASONS = ("end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal")


def scenario_names() -> list[str]:
    """The names of the scenarios that ship with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_scenario(source: str | Path) -> Scenario:
    """The scenario of that name (one that ships with the package) or in that TOML file.

    Raises ValueError, in one sentence that names the file and the rule, for a file that is missing or wrong.
    """
    path = _FOLDER / f"{source}.toml" if source in scenario_names() else Path(source)
    try:
        written = read_regular_text(path, limit=_MOST_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(scenario_names())
        raise ValueError(f"{source}: cannot be read ({error}); write a TOML file's path or one of: {known}") from error
    return parse_scenario(written, path.name)


def parse_scenario(written: str, where: str = "scenario") -> Scenario:
    """The scenario in a TOML text; `where` begins the error messages. Raises ValueError."""
    place = _Place(where)
    try:
        table = tomllib.loads(written)
    except ValueError as error:  # `TOMLDecodeError` is one, and so is a number of thousands of digits
        raise place.wrong(f"this is not TOML ({error})", "correct the syntax there") from error
    except RecursionError:
        raise place.wrong("it is nested too deeply", "write less of it inside each other") from None
    place.only(table, _SCENARIO_KEYS)
    rules = _tables(table, "rule", place)
    plain = Scenario()
    return Scenario(
        rules=tuple(_rule(rule, place.within(f"rule {number}")) for number, rule in enumerate(rules, start=1)),
        name=_text(table, "name", place) or Path(where).stem,
        description=_text(table, "description", place) or "",
        pace=_pace(_table(table, "pace", place), place.within("[pace]")),
        usage=_usage(_table(table, "usage", place), place.within("[usage]")),
        fallback=_standing_step(table, "fallback", place, plain.fallback),
        closing=_standing_step(table, "closing", place, plain.closing),
        fill_schema=_typed(table, "fill_schema", bool, "true or false", place, True),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the file we are, for the error message."""

    name: str

    def within(self, part: str) -> _Place:
        return _Place(f"{self.name}, {part}")

    def wrong(self, what: str, instead: str) -> ValueError:
        return ValueError(f"{self.name}: {what}; {instead}.")

    @contextmanager
    def saying_where(self) -> Iterator[None]:
        """Put the place before the sentence of a ValueError raised inside."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}.") from error

    def only(self, table: Mapping[str, Any], keys: Iterable[str]) -> None:
        for key in table:
            if key not in keys:
                raise self.wrong(f"the key {key!r} is unknown", f"write one of {', '.join(sorted(keys))}")


def _rule(table: Mapping[str, Any], place: _Place) -> Rule:
    place.only(table, _RULE_KEYS)
    steps = _tables(table, "step", place)
    short = {key: value for key, value in table.items() if key in _STEP_KEYS}
    if steps and short:
        what = f"it has steps and also {', '.join(map(repr, short))} of its own"
        raise place.wrong(what, "move that into a [[rule.step]]")
    if not steps and not short:
        raise place.wrong("it says nothing", 'write text = "..." or a [[rule.step]]')
    parsed = [_step(step, place.within(f"step {number}")) for number, step in enumerate(steps, start=1)]
    conditions = {key: _text(table, key, place) for key in ("match", "contains", "model")}
    times = _typed(table, "times", int, "a whole number", place, None)
    name = _text(table, "name", place) or ""
    said = tuple(parsed) or (_step(short, place),)
    with place.saying_where():
        return Rule(said, **conditions, times=times, name=name)


def _step(table: Mapping[str, Any], place: _Place) -> Step:
    place.only(table, _STEP_KEYS)
    structured = _json_table(table, "structured", place) if "structured" in table else None
    step = Step(
        blocks=tuple(_blocks(table, place)),
        structured=structured,
        fail=_failure(table, place),
        fail_message=_text(table, "fail_message", place),
        retry_after_s=_seconds(table, "retry_after_s", place),
        usage=_usage(_table(table, "usage", place), place.within("usage")),
        stop_reason=_stop_reason(table, place),
        delay_s=_seconds(table, "delay_s", place),
        chunk_chars=_chunk_chars(table, place),
        chunk_delay_s=_seconds(table, "chunk_delay_s", place),
        headers={key: str(value) for key, value in _table(table, "headers", place).items()},
    )
    if not step.blocks and structured is None and step.fail is None:
        raise place.wrong("it has no content", "write text, thinking, tool, structured, fail or a block")
    return step


def _standing_step(table: Mapping[str, Any], key: str, place: _Place, default: Step) -> Step:
    return _step(_table(table, key, place), place.within(f"[{key}]")) if key in table else default


def _blocks(table: Mapping[str, Any], place: _Place) -> Iterable[Block]:
    """The short form (thinking, text, tools, in this order) or the long one (blocks as written)."""
    short = [key for key in ("thinking", "text", "tool") if key in table]
    if "block" in table and short:
        raise place.wrong(f"it has blocks and also {short[0]!r}", f"write {short[0]!r} as a block, too")
    if thought := _text(table, "thinking", place):
        yield ThinkingBlock(thought)
    if words := _text(table, "text", place):
        yield TextBlock(words)
    for tool in _tables(table, "tool", place):
        yield _tool(tool, place.within("tool"), {"name", "input"})
    for number, block in enumerate(_tables(table, "block", place), start=1):
        yield _block(block, place.within(f"block {number}"))


def _block(table: Mapping[str, Any], place: _Place) -> Block:
    kind = _text(table, "type", place)
    if kind not in _BLOCK_KEYS:
        raise place.wrong(f"type = {kind!r} is unknown", f"write one of {', '.join(_BLOCK_KEYS)}")
    place.only(table, _BLOCK_KEYS[kind])
    if kind == "tool":
        return _tool(table, place, _BLOCK_KEYS[kind])
    words = _text(table, kind, place)
    if words is None:
        raise place.wrong(f"it has no {kind}", f'write {kind} = "..."')
    return TextBlock(words) if kind == "text" else ThinkingBlock(words)


def _tool(table: Mapping[str, Any], place: _Place, keys: Iterable[str]) -> ToolUseBlock:
    place.only(table, keys)
    name = _text(table, "name", place)
    if not name:
        raise place.wrong("the tool has no name", 'write tool = {name = "Bash", input = {command = "ls"}}')
    return ToolUseBlock(name, _json_table(table, "input", place))


def _failure(table: Mapping[str, Any], place: _Place) -> str | None:
    name = _text(table, "fail", place)
    if name is not None:
        with place.saying_where():
            check_failure_name(name)
    return name


def _stop_reason(table: Mapping[str, Any], place: _Place) -> str | None:
    reason = _text(table, "stop_reason", place)
    if reason is not None and reason not in _STOP_REASONS:
        raise place.wrong(f"stop_reason = {reason!r} is unknown", f"write one of {', '.join(_STOP_REASONS)}")
    return reason


def _pace(table: Mapping[str, Any], place: _Place) -> Pace:
    place.only(table, _PACE_KEYS)
    return Step(
        delay_s=_seconds(table, "delay_s", place),
        chunk_chars=_chunk_chars(table, place),
        chunk_delay_s=_seconds(table, "chunk_delay_s", place),
    ).pace(Pace())


def _usage(table: Mapping[str, Any], place: _Place) -> Usage:
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    place.only(table, names)
    return Usage(**{name: _at_least(table, name, 0, place) for name in names})


def _chunk_chars(table: Mapping[str, Any], place: _Place) -> int | None:
    return _at_least(table, "chunk_chars", 1, place)


def _at_least(table: Mapping[str, Any], key: str, least: int, place: _Place) -> int | None:
    value: int | None = _typed(table, key, int, "a whole number", place, None)
    if value is not None and value < least:
        raise place.wrong(f"{key} = {value} is too small", f"write a whole number of {least} or more")
    return value


def _seconds(table: Mapping[str, Any], key: str, place: _Place) -> float | None:
    value: float | None = _typed(table, key, (int, float), "a number of seconds", place, None)
    if value is not None and value < 0:
        raise place.wrong(f"{key} = {value} is negative", "write 0 or more seconds")
    if value is not None and not value <= _MOST_SECONDS:
        raise place.wrong(f"{key} = {value} is out of range", f"write 0 to {_MOST_SECONDS:,} seconds")
    return value


def _text(table: Mapping[str, Any], key: str, place: _Place) -> str | None:
    """A text without the line break that ends a TOML text of several lines."""
    value: str | None = _typed(table, key, str, "text in quotes", place, None)
    return value.removesuffix("\n") if value is not None else None


def _table(table: Mapping[str, Any], key: str, place: _Place) -> Mapping[str, Any]:
    value: Mapping[str, Any] = _typed(table, key, dict, "a table", place, {})
    return value


def _json_table(table: Mapping[str, Any], key: str, place: _Place) -> Mapping[str, Any]:
    """A table of what JSON knows, which dates, `nan` and `inf` are not."""
    value = _table(table, key, place)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise place.wrong(f"{key} cannot be sent as JSON", "write text, numbers, lists and tables") from None
    return value


def _tables(table: Mapping[str, Any], key: str, place: _Place) -> list[Mapping[str, Any]]:
    """A list of tables; a single table counts as a list of one."""
    value = _typed(table, key, (dict, list), "a table or a list of tables", place, [])
    tables = [value] if isinstance(value, dict) else value
    if not all(isinstance(one, dict) for one in tables):
        raise place.wrong(f"{key!r} has an entry that is not a table", f"write [[{key}]] or {key} = {{...}}")
    return list(tables)


def _typed(table: Mapping[str, Any], key: str, kind: Any, wanted: str, place: _Place, default: Any) -> Any:
    if key not in table:
        return default
    value = table[key]
    is_stray_bool = isinstance(value, bool) and kind is not bool
    if is_stray_bool or not isinstance(value, kind):
        raise place.wrong(f"{key} = {value!r} is of the wrong kind", f"write {wanted}")
    return value
