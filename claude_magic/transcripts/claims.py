"""`Claims`: several processes share numbered pieces of work, without a coordinator. No pandas.

A folder on the disk is enough for it, on every system: the process that creates the file of a piece first has it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


class Claims:
    """The pieces that this process gets; each goes to one process only.

    Args:
        folder: an empty folder that all share.
        count: how many pieces there are.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._count = count

    def take(self, on_other: Callable[[int], None] = lambda number: None) -> Iterator[int]:
        """Yield the numbers that this process has, each when the one before it is done.

        Args:
            on_other: is told the numbers that others have.

        Raises:
            OSError: the folder cannot be used, or is gone.
        """
        for number in range(self._count):
            try:
                file = os.open(self._folder / str(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            except FileExistsError:
                on_other(number)
                continue
            os.close(file)
            yield number
