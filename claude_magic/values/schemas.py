"""JSON Schemas from Python types, and Python objects from answers that fit them."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any

TABLE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "records": {
            "type": "array",
            "description": "One object per row; every row has the same keys, which are the columns.",
            "items": {"type": "object"},
        }
    },
    "required": ["records"],
}
"""What `--schema table` asks for."""

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
    dict: {"type": "object"},
    list: {"type": "array"},
}


def json_schema(value: Any) -> dict[str, Any] | None:
    """Return the JSON Schema a value stands for: itself if it is one, or that of a pydantic model or dataclass.

    Args:
        value: a mapping with schema words, a model class or a dataclass.

    Returns:
        The schema, or `None` if the value is none of these.
    """
    if isinstance(value, Mapping):
        words = {"type", "properties", "$ref", "anyOf", "oneOf", "allOf", "enum", "const", "$schema"}
        return dict(value) if words & set(value) else None
    make = getattr(value, "model_json_schema", None)
    if isinstance(value, type) and callable(make):
        return dict(make())
    if isinstance(value, type) and dataclasses.is_dataclass(value):
        return _dataclass_schema(value)
    return None


def schema_of(value: Any) -> dict[str, Any]:
    """Return the JSON Schema that a value stands for.

    Args:
        value: a JSON Schema as a dict, a pydantic model, a dataclass, or JSON text.

    Raises:
        ValueError: it stands for none.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"not valid JSON ({error})") from None
    schema = json_schema(value)
    if schema is None:
        raise ValueError(
            "neither a JSON Schema, a pydantic model, nor a dataclass; `--schema table` asks for a DataFrame"
        )
    return schema


def build(value: Any, answer: Any) -> Any:
    """Return the answer as what the schema came from: a model, a dataclass, or plain data.

    Args:
        value: what `--schema` named.
        answer: the structured output.

    Raises:
        ValueError: the answer does not fit after all.
    """
    validate = getattr(value, "model_validate", None)
    if isinstance(value, type) and callable(validate):
        return validate(answer)
    if isinstance(value, type) and dataclasses.is_dataclass(value):
        return _from_data(value, answer)
    return answer


def _dataclass_schema(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    properties, required = {}, []
    for field in dataclasses.fields(kind):
        properties[field.name] = _schema_of_type(hints[field.name])
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
    schema: dict[str, Any] = {"type": "object", "title": kind.__name__, "properties": properties}
    return schema | {"required": required, "additionalProperties": False}


def _schema_of_type(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema_of_type(argument) for argument in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple and Ellipsis not in arguments:
        items = [_schema_of_type(argument) for argument in arguments]
        return {"type": "array", "items": {"anyOf": items}, "minItems": len(items), "maxItems": len(items)}
    if origin in (list, tuple, set, frozenset):
        item = next((argument for argument in arguments if argument is not Ellipsis), Any)
        return {"type": "array", "items": _schema_of_type(item)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of_type(arguments[1] if len(arguments) > 1 else Any)}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass_schema(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    raise ValueError(f"a field of type {hint!r} has no JSON Schema; use plain types, lists, dicts or dataclasses")


def _from_data(hint: Any, data: Any) -> Any:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if not isinstance(data, Mapping):
            raise ValueError(f"{hint.__name__} needs an object, not {type(data).__name__}")
        hints = typing.get_type_hints(hint)
        return hint(**{name: _from_data(hints[name], value) for name, value in data.items() if name in hints})
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _from_union(arguments, data)
    if origin is tuple and Ellipsis not in arguments:
        return tuple(_from_data(argument, item) for argument, item in zip(arguments, data, strict=True))
    if origin in (list, tuple, set, frozenset) and arguments:
        return origin(_from_data(arguments[0], item) for item in data)
    if origin is dict and arguments:
        return {key: _from_data(arguments[1], item) for key, item in data.items()}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(data)
    return data


def _from_union(arguments: tuple[Any, ...], data: Any) -> Any:
    """Return the data as the first of several types that it fits."""
    if data is None:
        return None
    for argument in arguments:
        made_from = isinstance(argument, type) and (dataclasses.is_dataclass(argument) or issubclass(argument, Enum))
        if made_from or typing.get_origin(argument) is not None:
            try:
                return _from_data(argument, data)
            except (ValueError, TypeError, AttributeError):
                continue
    return data
