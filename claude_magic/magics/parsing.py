"""What typed options and filters have in common: one line that says what is wrong, and what was probably meant."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from IPython.core.error import UsageError


class LineParser(argparse.ArgumentParser):
    """Says in one line what is wrong, instead of printing usage and exiting.

    Args:
        prog: what was called.
        advice: what to do about any mistake, one or two sentences.
    """

    def __init__(self, prog: str, advice: str) -> None:
        super().__init__(prog=prog, add_help=False, allow_abbrev=False)
        self.advice = advice

    def error(self, message: str) -> NoReturn:
        """Refuse what was typed.

        Raises:
            UsageError: always.
        """
        end = "" if message.endswith("?") else "."
        raise UsageError(f"{self.prog}: {message}{end} {self.advice}")

    @property
    def flags(self) -> dict[str, argparse.Action]:
        """Every option by each of its names, short ones too."""
        return {name: action for action in self._actions for name in action.option_strings}

    def unknown(self, typed: str) -> str:
        """Return an option that there is not as it was typed, and the name that was probably meant.

        Args:
            typed: the option, perhaps with `=` and a value.
        """
        names = [name for name in self.flags if name.startswith("--")]
        return f"{typed}{did_you_mean(typed.partition('=')[0], names)}"


def did_you_mean(typed: str, names: Iterable[str], before: str = "") -> str:
    """Return the question after what is known, if what was typed resembles it; else "".

    Args:
        typed: the unknown word.
        names: what is known.
        before: what to show before the name.
    """
    near = difflib.get_close_matches(typed.lower(), list(names), 1)
    return f"; did you mean {before}{near[0]}?" if near else ""


def typed(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse say the words of a `ValueError`, which it keeps to itself otherwise."""

    def converted(text: str) -> Any:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted


def at_least_one(text: str) -> int:
    """Return a whole number.

    Raises:
        ArgumentTypeError: it is none, or below 1.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Return what takes one of these words, and asks about one that resembles them."""

    def one(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(words)}{did_you_mean(text, words)}")
        return text

    return one
