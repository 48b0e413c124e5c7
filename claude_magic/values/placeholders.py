"""Finding `{name}` in a prompt: which braces may stand for a value, and what Python would read in them."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from functools import cached_property

_LOOK_BACK = 80
LONGEST = 500
"""Characters of one placeholder; braces that are further apart are not a placeholder."""

_PATH = r"[^\W\d]\w*(?:\.[^\W\d]\w*|\[[^\[\]{}]*\])*"
# Left to right: what is code stays as typed; the first brace outside of code is looked at.
_CODE = re.compile(
    # A fence may stand in a list or a quotation; one that is never closed goes on to the end.
    r"(?P<fence>^(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*(?P<ticks>`{3,}(?=[^`\n]*$)|~{3,})[^\n]*\n"
    r".*?(?:^[ \t>]*(?P=ticks)[`~]*[ \t]*$|\Z))"
    # A code span ends in its own paragraph.
    r"|(?P<code>(?<!`)(?P<span>`+)(?!`)(?:(?!\n[ \t]*\n).)*?(?<!`)(?P=span)(?!`))"
    r"|(?P<brace>\{)",
    re.MULTILINE | re.DOTALL,
)
_DOUBLED = re.compile(r"\{\{([^{}\n]*)\}\}")
_IS_PATH = re.compile(_PATH)
_TEX = re.compile(r"(?:\\[A-Za-z]+\*?(?:\[[^\]\n]*\])?|[_^}$])\Z")
"""What stands before a brace of LaTeX (`\\frac{a}{b}`, `x_{i}`) or of a shell (`${x}`)."""
_COMMAND = re.compile(r"\\[A-Za-z]+\*?(?:\[[^\]\n]*\]|\{[^{}\n]*\})*\Z")
"""What stands before an argument of a LaTeX command."""
# The format of numbers and text, https://docs.python.org/3/library/string.html#format-specification-mini-language;
# a width has at most 4 digits, as more of them would fill the memory. One that begins with a space needs a type:
# `{x: 1}` is a dict.
_FORMAT = re.compile(r"(?:[^{}\n]?[<>=^])?[+-]?z?#?0?\d{0,4}[,_]?(?:\.\d{1,4})?[bcdeEfFgGnosxX%]?")
_SPACED_FORMAT = re.compile(r" z?#?0?\d{0,4}[,_]?(?:\.\d{1,4})?[bcdeEfFgGnxX%]")
_NESTED = re.compile(r"\{(" + _PATH + r")\}")


@dataclass(frozen=True)
class Placeholder:
    """What stands between two braces, read as in an f-string.

    Attributes:
        inner: all of it, as typed.
        expression: the expression.
        conversion: "r", "s", "a" or "".
        spec: what stands after the colon, or "".
        debug: `x=` as typed where the expression ends in `=`, else "".
    """

    inner: str
    expression: str
    conversion: str = ""
    spec: str = ""
    debug: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but the expression."""
        return not (self.conversion or self.spec or self.debug)

    @property
    def is_path(self) -> bool:
        """Whether the expression is a name with attributes and items, however odd the items."""
        return _IS_PATH.fullmatch(self.expression) is not None

    @property
    def root(self) -> str:
        """The name at the beginning of a path."""
        found = re.match(r"\w+", self.expression)
        return found[0] if found else ""

    @property
    def has_format(self) -> bool:
        """Whether the part after the colon may be a format; `{color: red}` and `{x: 1}` are something else."""
        spec = _NESTED.sub("1", self.spec)
        if spec[:1].isspace():
            return _SPACED_FORMAT.fullmatch(spec) is not None
        # Dates and other values have formats of their own, with a sign for each part.
        return _FORMAT.fullmatch(spec) is not None or "%" in spec

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables in the expression; none if Python cannot read it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as about a backslash in a text
                tree = ast.parse(self.expression, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return frozenset()
        return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


@dataclass(frozen=True)
class Braces:
    """A pair of braces in a prompt.

    Attributes:
        start: where the first one stands.
        end: where the last one ends.
        placeholder: what stands between them.
        is_doubled: whether both are doubled.
        is_tex: whether they stand where LaTeX or a shell has braces of their own.
        is_argument: whether a LaTeX command stands before them.
    """

    start: int
    end: int
    placeholder: Placeholder
    is_doubled: bool = False
    is_tex: bool = False
    is_argument: bool = False


class Finder:
    """Finds the braces of a prompt that hold something like an expression, outside of code.

    Args:
        template: the prompt as typed, its lines ended by line feeds.
    """

    def __init__(self, template: str) -> None:
        self._template = template
        self._ends = _closings(template)

    def after(self, begin: int) -> Braces | None:
        """Return the first such braces at or after a place outside of code; `None` if there are no more."""
        while match := _CODE.search(self._template, begin):
            begin = match.end()
            if match["brace"] is None:
                continue
            found = self._at(match.start())
            if found is not None:
                return found
        return None

    def _at(self, start: int) -> Braces | None:
        text = self._template
        if doubled := _DOUBLED.match(text, start):
            placeholder = parsed(doubled[1])
            return None if placeholder is None else Braces(start, doubled.end(), placeholder, is_doubled=True)
        if text.startswith("{{", start):
            return None
        end = self._ends.get(start, start + LONGEST)
        placeholder = parsed(text[start + 1 : end]) if end < start + LONGEST else None
        if placeholder is None:
            return None
        before = text[max(0, start - _LOOK_BACK) : start]
        is_tex, is_argument = _TEX.search(before) is not None, _COMMAND.search(before) is not None
        return Braces(start, end + 1, placeholder, is_tex=is_tex or is_argument, is_argument=is_argument)


def is_in_code(text: str, place: int) -> bool:
    """Whether a place in a text that is being typed is in a code fence, or after a backtick that may open a span.

    Args:
        text: the text, up to what is being typed.
        place: where in it.
    """
    if any(found.start() < place < found.end() for found in _CODE.finditer(text) if found["brace"] is None):
        return True
    return text.count("`", text.rfind("\n", 0, place) + 1, place) % 2 == 1


def _closings(template: str) -> dict[int, int]:
    """Return the place of each brace and of the one that closes it on the same line, with no backtick between."""
    ends: dict[int, int] = {}
    open_at: list[int] = []
    for match in re.finditer(r"[{}\n`]", template):
        if match[0] == "{":
            open_at.append(match.start())
        elif match[0] != "}":
            open_at.clear()
        elif open_at:
            ends[open_at.pop()] = match.start()
    return ends


def parsed(inner: str) -> Placeholder | None:
    """Return what Python would read in an f-string's braces; `None` where there is no name in it.

    Args:
        inner: what stands between the braces.
    """
    end, text = _expression_end(inner)
    expression, rest = inner[:end], inner[end:]
    if text or not re.search(r"[^\W\d]", expression):
        return None
    debug = ""
    if re.search(r"[^=!<>\s]\s*=\s*\Z", expression):
        debug = expression
        expression = expression.rstrip()[:-1]
    conversion = rest[1:2] if rest.startswith("!") else ""
    spec = rest[2:] if conversion else rest
    return Placeholder(inner, expression.strip(), conversion, spec.removeprefix(":"), debug)


def _expression_end(inner: str) -> tuple[int, str]:
    """Return where the expression ends, and the quote that is still open there."""
    depth, quote = 0, ""
    for place, char in enumerate(inner):
        if quote:
            quote = "" if char == quote and inner[place - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif depth == 0 and (char == ":" or (char == "!" and re.match(r"![rsa](?::|\Z)", inner[place:]))):
            return place, ""
    return len(inner), quote
