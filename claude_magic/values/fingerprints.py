"""Whether data has changed in place: a short text that differs when a table or an array does.

Of large data evenly spaced rows are looked at, so a change of few cells can be missed; shape, columns and types never.
Nothing of the values' own code runs.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

from claude_magic.values.frames import numbered, plain_frame
from claude_magic.values.previews import are_plain, corner, is_of, is_one_of

_MOST_ROWS = 1000
_MOST_COLUMNS = 200
_CONTAINERS = (list, dict, set)


def fingerprint(value: Any) -> str:
    """Return what tells data from its state before; "" for what cannot be looked at."""
    if is_one_of(type(value), _CONTAINERS):
        return f"{len(value)} items"
    if is_of(value, "numpy", "ndarray"):
        return _of_array(value)
    frame = plain_frame(value)
    return _of_frame(frame) if frame is not None else ""


def fingerprints(namespace: Mapping[str, Any], names: Iterable[str], within_s: float) -> dict[str, str]:
    """Return the fingerprints of those variables that have one; not of all, where that takes too long.

    Args:
        namespace: the variables.
        names: which of them.
        within_s: longest it may take, in seconds.
    """
    end = time.monotonic() + within_s
    found: dict[str, str] = {}
    for name in names:
        if time.monotonic() > end:
            break
        try:
            seen = fingerprint(namespace[name])
        except Exception:  # data that pandas cannot hash; a variable that is gone by now
            continue
        if seen:
            found[name] = seen
    return found


def _of_array(value: Any) -> str:
    shape = f"{value.shape} {value.dtype}"
    if value.dtype.hasobject or value.size == 0:
        return shape
    flat = value.reshape(-1) if value.flags.c_contiguous else corner(value).reshape(-1)
    step = max(1, flat.size // _MOST_ROWS)
    return f"{shape} {hashlib.blake2b(flat[::step].tobytes(), digest_size=8).hexdigest()}"


def _of_frame(frame: Any) -> str:
    import pandas as pd

    rows, columns = frame.shape
    digest = hashlib.blake2b(digest_size=8)
    sample = numbered(frame.iloc[:: max(1, rows // _MOST_ROWS)])
    for place in range(min(columns, _MOST_COLUMNS)):
        column, name = sample.iloc[:, place], frame.columns[place]
        digest.update(f"{name if type(name) in (str, int) else ''} {column.dtype}".encode(errors="replace"))
        if column.dtype.kind != "O" or are_plain(column.tolist()):
            digest.update(pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes())
    return f"{rows:,} × {columns:,} {digest.hexdigest()}"
