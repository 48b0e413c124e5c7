"""What turns changed in the kernel and in its notebook. No pandas."""

from __future__ import annotations

import msgspec


class VariableChange(msgspec.Struct, frozen=True):
    """A variable that a turn made, changed or deleted in the kernel.

    Attributes:
        session: name of the session.
        turn_id: id of the prompt.
        turn: number of the turn in its session; `None` where it is not known.
        name: the variable.
        change: "created", "replaced", "changed" (in place) or "deleted".
        type: its type; "" where it is gone.
        size: how large it is, such as `12 × 3`; "" where that is not known.
    """

    session: str
    turn_id: str
    name: str
    change: str
    type: str
    size: str
    turn: int | None = None


class CellChange(msgspec.Struct, frozen=True):
    """A cell of the notebook that a turn added, edited or deleted.

    Attributes:
        session: name of the session.
        turn_id: id of the prompt.
        turn: number of the turn in its session; `None` where it is not known.
        cell_id: id of the cell; "" where no page could add it.
        change: "added", "edited" or "deleted".
        accepted: whether a person agreed; `None` where no one was asked.
        source: its source; of a deleted cell the last one.
    """

    session: str
    turn_id: str
    cell_id: str
    change: str
    accepted: bool | None
    source: str
    turn: int | None = None
