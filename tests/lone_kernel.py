"""A Python process that runs one CLI, for tests that end it in every way: a kernel without the kernel.

`python lone_kernel.py` reads a JSON object from stdin: argv, environment and folder of the CLI, the prompts to send,
the type of message to wait for, whether a guard may stand above the CLI, and what to do then (`wait` to be killed,
`close` and end, `fork` and wait, `fork` and close). It prints one JSON object: pids, the owner id, the text of the
answers, and what the forked worker saw.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import time
import uuid
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # it runs from anywhere, also where nothing is installed

from claude_magic.cli import spawn
from claude_magic.cli.encoder import user_message
from claude_magic.cli.process import CHILDREN, Process, kill_all
from claude_magic.cli.transport import Launch


async def ask(process: Process, prompt: str, until: str) -> str:
    await process.send(user_message(prompt, str(uuid.uuid4()), literal=False))
    text = ""
    while batch := await process.receive():
        text += "".join(message.text for message in batch if message.type == "text")
        if any(message.type == until for message in batch):
            return text
    raise SystemExit(f"the CLI ended: {process.exit_code} {process.stderr_tail}")


def work(report: Connection) -> None:
    """The forked worker: it tries to end what is not its own, then outlives everybody."""
    kill_all()
    report.send(CHILDREN.id)
    time.sleep(300)


async def main(plan: dict[str, Any]) -> None:
    spawn.GUARDED = plan.get("guarded", True)
    launch = Launch(tuple(plan["argv"]), tuple(plan["environment"].items()), plan["folder"])
    process = await Process.start(launch)
    answers = [await ask(process, prompt, plan["until"]) for prompt in plan["prompts"]]
    report: dict[str, Any] = {
        "cli": process.pid,
        "reaper": CHILDREN.reaper_pid,
        "owner": CHILDREN.id,
        "answers": answers,
    }
    if "fork" in plan["then"]:
        context = multiprocessing.get_context("fork")
        mine, theirs = context.Pipe()
        worker = context.Process(target=work, args=(theirs,), daemon=True)
        worker.start()
        report |= {"worker": worker.pid, "worker_owner": await asyncio.to_thread(mine.recv)}
    if "close" in plan["then"]:
        await process.close()
    print(json.dumps(report | {"exit_code": process.exit_code}), flush=True)  # noqa: T201  it is a program
    if "close" not in plan["then"]:
        await process.wait()
        await asyncio.sleep(300)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.stdin.read())))
