"""The source of functions and classes, found without asking them or any module for attributes."""

from __future__ import annotations

import inspect
import linecache
import re
import types
from typing import Any

from claude_magic.values.content import cut_in_the_middle
from claude_magic.values.previews import class_name, members_of

_LONGEST = 8000


def source_of(code: types.CodeType) -> str:
    """Return the source of a function. `inspect.getsource` asks all modules that are imported for attributes."""
    lines = _lines(code.co_filename)[code.co_firstlineno - 1 :]
    return _block(lines) or "(its source is not known)"


def source_of_class(kind: Any) -> str:
    """Return the source of a class that has a method of its own, which knows the file; "" of another one."""
    members = members_of(kind)
    name = class_name(kind).rpartition(".")[2]
    methods = (member.fget if type(member) is property else member for member in list(members.values()))
    codes = (method.__code__ for method in methods if type(method) is types.FunctionType)
    place = next((code for code in codes if f"{name}." in code.co_qualname), None)
    lines = _lines(place.co_filename) if place is not None else []
    before = range(place.co_firstlineno - 1, -1, -1) if place is not None else ()
    begin = next((number for number in before if _begins_class(lines[number : number + 1], name)), None)
    return _block(lines[begin:]) if begin is not None else ""


def _begins_class(line: list[str], name: str) -> bool:
    return bool(line) and re.match(rf"\s*class\s+{re.escape(name)}\b", line[0]) is not None


def _lines(file: str) -> list[str]:
    linecache.checkcache(file)
    return linecache.getlines(file)


def _block(lines: list[str]) -> str:
    try:
        return cut_in_the_middle("".join(inspect.getblock(lines)), _LONGEST) if lines else ""
    except (SyntaxError, IndexError):  # the file has changed since
        return ""
