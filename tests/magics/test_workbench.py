"""What the pages of a notebook ask of it beyond one run."""

from __future__ import annotations

from typing import Any

from claude_magic.magics.workbench import Workbench


def names(shell: Any, *asked: str) -> Any:
    """Ask as a page does."""
    reply = Workbench(shell).answer({"action": "names", "names": list(asked)}, "page")
    assert reply.pop("found") is True
    return reply["names"]


def test_names_are_looked_up(shell: Any) -> None:
    """A variable has the kind of its value, a misspelt one the name that was meant; of others nothing is said."""
    shell.run_cell("import math\nsales, rows = {}, [1]")

    found = names(shell, "sales", "rows", "slaes", "In", "qqq")

    assert found["known"] == {"sales": "dict", "rows": "list", "In": "list"}
    assert found["meant"] == {"slaes": "sales"}
    assert {"-s", "--session", "--bg"} <= set(found["options"])


def test_looking_runs_nothing(shell: Any) -> None:
    """A value that would object to being looked at is not."""
    shell.run_cell(
        "class Sly:\n"
        "    def __getattribute__(self, name): raise SystemExit\n"
        "    def __repr__(self): raise SystemExit\n"
        "sly = Sly()"
    )

    assert names(shell, "sly")["known"] == {"sly": "Sly"}


def test_many_names_are_cut(shell: Any) -> None:
    """What a page asks is bounded."""
    shell.user_ns.update({f"name_{number}": number for number in range(2_000)})

    found = names(shell, *(f"name_{number}" for number in range(2_000)))

    assert len(found["known"]) == 100


def test_other_requests_are_not_meant(shell: Any) -> None:
    """Those of runs are the bridge's."""
    assert Workbench(shell).answer({"action": "stop"}, "page") == {}
