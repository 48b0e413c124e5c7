"""The parameters of a function as a JSON Schema, and the arguments that a model sends as Python values.

`msgspec` makes both from the annotations: plain types, containers, `Literal`, enums, dataclasses, dates and more. Where
a function takes pydantic models, pydantic does.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

Convert = Callable[[Mapping[str, Any]], dict[str, Any]]
_REF = "#/$defs/{name}"


class Signature:
    """What a function takes.

    Args:
        function: the function.

    Attributes:
        summary: what its docstring says it does; "" without one.
        schema: the JSON Schema of its arguments: an object.

    Raises:
        ValueError: a parameter cannot come from JSON; says which, and what can.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        import docstring_parser  # for the first tool, not for the first prompt

        doc = docstring_parser.parse(inspect.getdoc(function) or "")
        self.summary = "\n\n".join(filter(None, (doc.short_description, doc.long_description)))
        described = {parameter.arg_name: parameter.description or "" for parameter in doc.params}
        fields = list(_fields(function, described))
        name = getattr(function, "__name__", "function")
        try:
            self.schema, self._convert = _with_msgspec(name, fields)
        except TypeError as error:
            self.schema, self._convert = _with_pydantic(name, fields, error)

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments for the function.

        Args:
            given: what the model sent.

        Raises:
            ValueError: an argument is missing, unknown or of the wrong type; the model can read how.
        """
        return self._convert(given)


_Field = tuple[str, Any, Any]
"""Name, annotation and default (`inspect.Parameter.empty` without one)."""


def _fields(function: Callable[..., Any], described: Mapping[str, str]) -> typing.Iterator[_Field]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise ValueError(f"the annotations of {_name(function)} cannot be read: {error}") from None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ValueError(f"{_name(function)}: {parameter.name} is positional only, and tools are called by name")
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        hint = hints.get(parameter.name, Any)
        words = _words(hint) or described.get(parameter.name, "")
        yield parameter.name, Annotated[hint, msgspec.Meta(description=words)] if words else hint, parameter.default


def _words(hint: Any) -> str:
    """Return the description in `Annotated[str, "the description"]`; "" without one."""
    extras = typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ()
    return next((extra for extra in extras if isinstance(extra, str)), "")


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", None) or type(function).__name__)


def _with_msgspec(name: str, fields: list[_Field]) -> tuple[dict[str, Any], Convert]:
    struct = msgspec.defstruct(
        name,
        [(field, hint) if default is inspect.Parameter.empty else (field, hint, _default(default))
         for field, hint, default in fields],
        kw_only=True,
        forbid_unknown_fields=True,
    )  # fmt: skip
    (reference,), definitions = msgspec.json.schema_components([struct], ref_template=_REF)
    schema = definitions.pop(reference["$ref"].rpartition("/")[2])
    schema.pop("title", None)

    def convert(given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            made = msgspec.convert(dict(given), struct, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(f"the arguments do not fit: {error}") from None
        # What was not given is left to the function's own default.
        return {field: getattr(made, field) for field, _, _ in fields if field in given}

    return {**schema, **({"$defs": definitions} if definitions else {})}, convert


def _default(value: Any) -> Any:
    """Return a default that msgspec takes: it copies empty containers only."""
    if isinstance(value, list | dict | set | bytearray) and value:
        return msgspec.field(default_factory=lambda: value)
    return value


def _with_pydantic(name: str, fields: list[_Field], reason: TypeError) -> tuple[dict[str, Any], Convert]:
    try:
        import pydantic
    except ImportError:
        raise ValueError(_no_schema(reason)) from None
    required = {
        field: (hint, ... if default is inspect.Parameter.empty else default) for field, hint, default in fields
    }
    try:
        config = pydantic.ConfigDict(extra="forbid")
        model = pydantic.create_model(name, __config__=config, **required)  # type: ignore[call-overload]  # names are dynamic
        schema = model.model_json_schema()
    except (TypeError, pydantic.errors.PydanticUserError):
        raise ValueError(_no_schema(reason)) from None
    schema.pop("title", None)

    def convert(given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            made = model.model_validate(dict(given))
        except pydantic.ValidationError as error:
            raise ValueError(f"the arguments do not fit: {error}") from None
        return {field: getattr(made, field) for field, _, _ in fields if field in given}

    return schema, convert


def _no_schema(reason: TypeError) -> str:
    words = str(reason).replace("\n", " ")
    return (
        f"a parameter cannot come from JSON ({words}): use plain types, containers, Literal, enums, dataclasses or "
        "pydantic models, and take a table by the name of its variable"
    )
