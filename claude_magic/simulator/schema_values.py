"""A small, deterministic value that fits a JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["example"]

_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "simulated@example.com",
    "uri": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_MAX_DEPTH = 12


def example(schema: Mapping[str, Any] | bool, name: str = "value") -> Any:
    """A value that fits `schema`; the same schema always gives the same value.

    Understands types, enum, const, default, anyOf/oneOf/allOf, $ref inside the schema, limits of numbers, strings and
    arrays, formats, and required and optional properties. `name` is woven into strings. A `pattern` is not obeyed.
    """
    return _value(schema, name, schema if isinstance(schema, Mapping) else {}, 0)


def _value(schema: Any, name: str, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    schema = _resolve(schema, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        return _array(schema, name, root, depth)
    if kind in ("number", "integer"):
        return _number(schema, kind)
    return {"boolean": True, "null": None}[kind] if kind in ("boolean", "null") else _string(schema, name)


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with its reference followed, its first alternative taken and its parts put together."""
    merged = dict(schema)
    for _ in range(_MAX_DEPTH):
        if "$ref" in merged:
            target = _lookup(str(merged.pop("$ref")), root)
            merged = {**target, **merged}
        elif choices := merged.pop("anyOf", None) or merged.pop("oneOf", None):
            merged = {**merged, **_preferred(choices)}
        elif parts := merged.pop("allOf", None):
            merged = _joined(merged, parts)
        else:
            return merged
    return {}


def _lookup(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        target = target.get(key, {}) if isinstance(target, Mapping) else {}
    return target if isinstance(target, Mapping) else {}


def _preferred(choices: list[Any]) -> Mapping[str, Any]:
    usable = [choice for choice in choices if isinstance(choice, Mapping)]
    return next((choice for choice in usable if choice.get("type") != "null"), usable[0] if usable else {})


def _joined(schema: Mapping[str, Any], parts: list[Any]) -> dict[str, Any]:
    merged = dict(schema)
    for part in parts:
        if isinstance(part, Mapping):
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", []), *part.get("required", [])]
            merged = {**merged, **part, "properties": properties, "required": required}
    return merged


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    # Deep inside, only what must be there: a schema may contain itself in an optional property.
    names = list(properties) if depth < 4 else [name for name in properties if name in schema.get("required", [])]
    names += [name for name in schema.get("required", []) if name not in properties]
    return {name: _value(properties.get(name, {"type": "string"}), name, root, depth + 1) for name in names}


def _array(schema: Mapping[str, Any], name: str, root: Mapping[str, Any], depth: int) -> list[Any]:
    fixed = [_value(item, name, root, depth + 1) for item in schema.get("prefixItems", [])]
    items = schema.get("items", {"type": "string"} if not fixed else False)
    if items is False:
        return fixed
    least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", 2))
    wanted = max(least, min(2 if depth < 4 else 0, most)) - len(fixed)
    if _is_open_object(items):
        # Rows of a table whose columns are the model's choice: an empty object would be a row without columns.
        return fixed + [{"name": f"simulated {name} {number}", "value": number} for number in range(1, wanted + 1)]
    rest = [_value(items, f"{name} {number}", root, depth + 1) for number in range(1, wanted + 1)]
    return fixed + _distinct(items, rest)


def _is_open_object(schema: Any) -> bool:
    return isinstance(schema, Mapping) and set(schema) <= {"type", "title", "description"} and _kind(schema) == "object"


def _distinct(items: Any, values: list[Any]) -> list[Any]:
    """Walk through an enum instead of repeating its first value, so that uniqueItems holds."""
    choices = items.get("enum") if isinstance(items, Mapping) else None
    return values if not choices else [choices[index % len(choices)] for index in range(len(values))]


def _number(schema: Mapping[str, Any], kind: str) -> int | float:
    whole = kind == "integer"
    low, high = schema.get("minimum"), schema.get("maximum")
    over, under = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    step = schema.get("multipleOf") or (1 if whole else 0.5)
    value: float = 42 if whole else 42.5
    if under is not None and value >= under:
        value = under - step
    if high is not None and value > high:
        value = high
    if over is not None and value <= over:
        value = over + step
    if low is not None and value < low:
        value = low
    return int(value) if whole else float(value)


def _string(schema: Mapping[str, Any], name: str) -> str:
    words = _FORMATS.get(str(schema.get("format")), f"simulated {name}")
    words = words.ljust(int(schema.get("minLength", 0)), ".")
    return words[: int(schema["maxLength"])] if "maxLength" in schema else words
