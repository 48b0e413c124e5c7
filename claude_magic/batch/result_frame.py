"""The result of a map as a DataFrame: the fields of the schema, or `text`, and what became of each row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.batch.store import StoredRow

if TYPE_CHECKING:
    import pandas as pd

TEXT = "text"
META = ("_status", "_error", "_cost_usd", "_input_tokens", "_output_tokens", "_seconds", "_attempts", "_turn_id")
"""What stands beside the answer, in order."""


def field_types(schema: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """Return the columns of the answer, each with its JSON Schema.

    Args:
        schema: the JSON Schema of `schema=`; `None` is plain text.

    Raises:
        ValueError: it is not that of an object with fields, or a field has the name of another column.
    """
    if schema is None:
        return {TEXT: {"type": "string"}}
    schema = _resolved(schema, schema)
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise ValueError("The schema of a map must be that of an object with fields, which become the columns.")
    taken = next((name for name in properties if name in META), None)
    if taken is not None:
        raise ValueError(f"The schema has a field {taken!r}, which is the name of a column of every map: rename it.")
    return {str(name): _resolved(kind, schema) for name, kind in properties.items()}


def _resolved(kind: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with its own reference followed, as pydantic writes them."""
    for _ in range(10):
        reference = kind.get("$ref") if isinstance(kind, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        found: Any = root
        for word in reference[2:].split("/"):
            found = found.get(word) if isinstance(found, Mapping) else None
        kind = found
    definitions = {name: root[name] for name in ("$defs", "definitions") if name in root}
    return {**definitions, **kind} if isinstance(kind, Mapping) else {}


def result_frame(
    fields: Mapping[str, Mapping[str, Any]], statuses: Sequence[str], rows: Sequence[StoredRow | None], index: Any
) -> pd.DataFrame:
    """Return the result.

    Args:
        fields: the columns of the answer, as `field_types` returns them.
        statuses: how each row stands.
        rows: what is stored of each row; `None` where nothing is.
        index: index of the result; `None` is a plain one.
    """
    import pandas as pd

    from claude_magic.records import columns

    pairs = list(zip(rows, statuses, strict=True))
    answers = [_answer(row, status) for row, status in pairs]
    made: dict[str, Any] = {name: _typed([_field(one, name) for one in answers], kind) for name, kind in fields.items()}
    known = [row if status not in ("waiting", "running") else None for row, status in pairs]
    errors = [row.error if row is not None and status in ("failed", "stopped") else None for row, status in pairs]
    costs = [None if row is None else row.cost_usd for row in known]
    made["_status"] = columns.string_column(list(statuses))
    made["_error"] = columns.optional_string_column(errors)
    # What was there before has cost nothing this time.
    made["_cost_usd"] = columns.float_column(
        [0.0 if status == "cached" else cost for cost, status in zip(costs, statuses, strict=True)]
    )
    for name in ("input_tokens", "output_tokens"):
        made[f"_{name}"] = columns.integer_column([None if row is None else getattr(row, name) for row in known])
    made["_seconds"] = columns.float_column([None if row is None else row.seconds for row in known])
    made["_attempts"] = columns.integer_column([0 if row is None else row.attempts for row in known])
    made["_turn_id"] = columns.optional_string_column([None if row is None else row.turn_id for row in known])
    frame = pd.DataFrame(made, index=pd.RangeIndex(len(statuses)), columns=[*fields, *META])
    if index is not None:
        frame.index = index
    return frame


def _answer(row: StoredRow | None, status: str) -> Any:
    if row is None or row.answer is None or status not in ("done", "cached"):
        return None
    return json.loads(row.answer)


def _field(answer: Any, name: str) -> Any:
    if isinstance(answer, Mapping):
        return answer.get(name)
    return answer if name == TEXT else None


def _typed(values: list[Any], kind: Mapping[str, Any]) -> Any:
    """Return the values of a field as an array of the dtype of its schema; as they are where one does not fit."""
    import pandas as pd

    from claude_magic.records import columns

    names, choices, form = _kinds(kind)
    try:
        if choices is not None and all(isinstance(choice, str) for choice in choices):
            return pd.Categorical(values, categories=list(dict.fromkeys(choices)))
        if names == {"string"}:
            return _words(values, form)
        if names == {"integer"}:
            return columns.integer_column([None if value is None else _whole(value) for value in values])
        if names and names <= {"integer", "number"}:
            return columns.float_column([None if value is None else float(value) for value in values])
        if names == {"boolean"}:
            return columns.boolean_column([_flag(value) for value in values])
    except (TypeError, ValueError):
        pass
    return columns.object_column(values)


def _words(values: list[Any], form: str) -> Any:
    import pandas as pd

    from claude_magic.records import columns

    if any(value is not None and not isinstance(value, str) for value in values):
        raise TypeError
    if form in ("date", "date-time"):
        moments = pd.to_datetime(pd.Series(values, dtype="object"), format="ISO8601", utc=form == "date-time")
        return moments.array
    return columns.string_column(values)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise TypeError
    return int(value)


def _flag(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise TypeError
    return value


def _kinds(kind: Mapping[str, Any]) -> tuple[set[str], list[Any] | None, str]:
    """Return the types a schema allows beside null, the values it lists, and its format."""
    root = kind
    for several in ("anyOf", "oneOf"):
        options = [_resolved(option, root) for option in kind.get(several) or [] if isinstance(option, Mapping)]
        options = [option for option in options if option.get("type") != "null"]
        if len(options) == 1:
            return _kinds(options[0])
        if options:
            return {name for option in options for name in _kinds(option)[0]}, None, ""
    if len(kind.get("allOf") or []) == 1:
        return _kinds(_resolved(kind["allOf"][0], root))
    choices = kind.get("enum")
    if choices is None and "const" in kind:
        choices = [kind["const"]]
    named = kind.get("type")
    names = {named} if isinstance(named, str) else set(named or [])
    known = [choice for choice in choices if choice is not None] if isinstance(choices, list) else None
    return names - {"null"}, known, str(kind.get("format") or "")
