"""A real Jupyter kernel to measure in."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from benchmarks.measuring import ROOT

READY_S = 60.0


class Kernel:
    """A running kernel. Made by `kernel`.

    Attributes:
        started_s: seconds from starting it until it answered.
    """

    def __init__(self, client: BlockingKernelClient, started_s: float) -> None:
        self.started_s = started_s
        self._client = client

    def run(self, code: str, timeout_s: float = 300.0) -> str:
        """Run a cell and return what it printed.

        Raises:
            RuntimeError: it raised.
        """
        printed: list[str] = []

        def take(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                printed.append(message["content"]["text"])

        reply = self._client.execute_interactive(code, output_hook=take, timeout=timeout_s)
        content = reply["content"]
        if content["status"] != "ok":
            raise RuntimeError(f"the kernel failed: {content.get('ename')}: {content.get('evalue')}")
        return "".join(printed)

    def value(self, code: str, timeout_s: float = 300.0) -> Any:
        """Run a cell whose last line of output is JSON, and return what that means."""
        return json.loads(self.run(code, timeout_s).splitlines()[-1])


@contextlib.contextmanager
def kernel() -> Iterator[Kernel]:
    """Start a kernel that finds this package, and end it with the block."""
    manager = KernelManager(kernel_name="python3")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    # What is installed is compiled, and so must this package be.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    # Its stderr is a warning about its transport; what goes wrong in a cell comes back with the reply.
    manager.start_kernel(cwd=str(ROOT), env={**environment, "PYTHONPATH": path}, stderr=subprocess.DEVNULL)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=READY_S)
        yield Kernel(client, time.perf_counter() - started)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
