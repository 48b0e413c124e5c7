"""Runs a map over CLIs in memory again and again, and kills it each time at a moment of its own, until it ends.

A process of its own imports everything once and forks for each run; every prompt that is paid for is written down in
the moment it is paid for. It prints, run by run, what was paid and what was stored before and after.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import FakeCLIs, FakeTransport, prompt_of

import claude_magic.batch.async_run  # noqa: F401  the forks shall not spend their time on it

ROWS, WORKERS, KILLS = 1_500, 4, 100


async def run_map(store: Path, paid: Path) -> None:
    log = os.open(paid, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def answer(cli: FakeTransport, message: dict[str, Any]) -> None:
        await asyncio.sleep(0.001)
        prompt = prompt_of(message)
        os.write(log, f"{prompt.split()[1]}\n".encode())
        await cli.answer(message, f"echo: {prompt}")

    async with FakeCLIs(answer).client() as client:
        result = await client.map(list(range(ROWS)), "Row {value}", cache=store, workers=WORKERS)
    assert {row["_status"] for row in result} <= {"done", "cached"}
    assert [row["text"] for row in result] == [f"echo: Row {number}" for number in range(ROWS)]


def stored(path: Path) -> list[str]:
    """The rows that have an answer."""
    if not path.exists():
        return []
    database = sqlite3.connect(path, timeout=30)
    try:
        return [json.loads(answer).split()[-1] for (answer,) in database.execute("SELECT answer FROM rows")]
    except sqlite3.OperationalError:  # it is killed before there is a table
        return []
    finally:
        database.close()


def wait_until_paid(child: int, paid: Path, size: int) -> None:
    """Return when so many bytes were written down, or the child has ended."""
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while paid.stat().st_size < size and os.waitid(os.P_PID, child, ended) is None:
        time.sleep(0.0005)  # another process moves on


def main(folder: Path) -> None:
    store, paid = folder / "rows.sqlite", folder / "paid.txt"
    paid.touch()
    draw = random.Random(7)
    for kill in range(KILLS + 1):
        before, begin = stored(store), paid.stat().st_size
        child = os.fork()
        if child == 0:
            asyncio.run(run_map(store, paid))
            os._exit(0)
        if kill < KILLS:
            wait_until_paid(child, paid, begin + draw.randrange(60))
            time.sleep(draw.uniform(0.0, 0.003))  # anywhere between two steps of it
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        now_paid = paid.read_text()[begin:].split()
        print(json.dumps({"status": status, "before": before, "paid": now_paid, "after": stored(store)}))
        if status == 0:
            break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
