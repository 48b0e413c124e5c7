"""A JupyterLab server of its own: random port and token, everything it keeps in a temporary folder, no network."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

GUARD_S = 60.0
ROOT = Path(__file__).parents[2]
BUILT = ROOT / "claude_magic" / "labextension"
QUIET = {"fetchNews": "false", "checkForUpdates": False}
_KEPT = ("PATH", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT", "CLAUDE_MAGIC_CLI")


class Surroundings:
    """An environment for Jupyter programs with nothing of the user in it, and the extension as this tree has it.

    Args:
        folder: where everything is kept.
        ipykernels: folders with other versions of ipykernel, by the name of the kernels that run on them.
    """

    def __init__(self, folder: Path, ipykernels: Mapping[str, Path] = MappingProxyType({})) -> None:
        self.home = folder / "home"
        self.root = folder / "notebooks"
        for one in (self.home, self.root, folder / "tmp"):
            one.mkdir(parents=True)
        self.environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
            "HOME": str(self.home),
            "TMPDIR": str(folder / "tmp"),
            "JUPYTER_CONFIG_DIR": str(self.home / "config"),
            "JUPYTER_DATA_DIR": str(self.home / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"),
            "JUPYTER_PATH": str(self.home / "first"),
            "IPYTHONDIR": str(self.home / "ipython"),
            "JUPYTER_PLATFORM_DIRS": "1",
            "CLAUDE_CODE_TMPDIR": str(folder / "tmp"),
            "IS_SANDBOX": "1",
        }
        assert (BUILT / "package.json").exists(), (
            "the extension is not built: `npm ci && npm run build` in labextension/"
        )
        (self.home / "first" / "labextensions").mkdir(parents=True)
        (self.home / "first" / "labextensions" / "claude-magic").symlink_to(BUILT)
        self.write_kernel("this", {})
        for name, place in ipykernels.items():
            path = os.pathsep.join(filter(None, (str(place), os.environ.get("PYTHONPATH"))))
            self.write_kernel(name, {"PYTHONPATH": path})
        self.write_setting("@jupyterlab/apputils-extension", "notification", QUIET)

    def write_kernel(self, name: str, environment: dict[str, str]) -> None:
        """Make a kernel specification: this Python, with more environment."""
        folder = self.home / "data" / "kernels" / name
        folder.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": name, "language": "python", "env": environment}
        (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")

    def write_setting(self, plugin: str, name: str, setting: dict[str, Any]) -> None:
        """Write a user setting of JupyterLab."""
        folder = self.home / "config" / "lab" / "user-settings" / plugin
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jupyterlab-settings").write_text(json.dumps(setting), encoding="utf-8")

    def write_notebook(self, path: str, cells: list[str], kernel: str = "this") -> Path:
        """Write a notebook with these code cells; its folder is the kernel's working folder."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        written = [
            {
                "cell_type": "code",
                "id": f"c{at}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for at, source in enumerate(cells)
        ]
        spec = {"name": kernel, "display_name": kernel, "language": "python"}
        notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": written}
        target.write_text(json.dumps(notebook), encoding="utf-8")
        return target

    def run(self, *argv: str, timeout_s: float = GUARD_S) -> subprocess.CompletedProcess[str]:
        """Run a Python module to its end, and fail with what it said if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", *argv],
            env=self.environment, cwd=self.root, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{argv} failed:\n{done.stdout}\n{done.stderr}"
        return done


@dataclass
class Server:
    """A web server under test: JupyterLab, Notebook or Voila."""

    surroundings: Surroundings
    process: subprocess.Popen[bytes]
    url: str
    token: str
    log: Path

    def address(self, path: str) -> str:
        """The address of a page, with the token."""
        return f"{self.url}/{path}{'&' if '?' in path else '?'}token={self.token}"

    def stop(self) -> None:
        """End it, and all kernels with it."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_lab(surroundings: Surroundings, *, without: tuple[str, ...] = ()) -> Server:
    """Start JupyterLab, with these extensions disabled as its user would."""
    arguments = [
        "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser",
        "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly", "--ServerApp.port_retries=0",
    ]  # fmt: skip
    for extension in without:
        surroundings.run("jupyter", "labextension", "disable", "--level=user", extension)
    return _start(surroundings, arguments, "--ServerApp.port", "--ServerApp.ip", "--IdentityProvider.token", "api")


def start_notebook(surroundings: Surroundings) -> Server:
    """Start Jupyter Notebook 7."""
    arguments = ["notebook", "--no-browser", "--allow-root", "--expose-app-in-browser", "--ServerApp.port_retries=0"]
    return _start(surroundings, arguments, "--ServerApp.port", "--ServerApp.ip", "--IdentityProvider.token", "api")


def start_voila(surroundings: Surroundings, notebook: str) -> Server:
    """Start Voila on one notebook."""
    arguments = ["voila", notebook, "--no-browser"]
    return _start(surroundings, arguments, "--Voila.port", "--Voila.ip", "--Voila.token", "voila/static/voila.js")


def _start(surroundings: Surroundings, arguments: list[str], port: str, ip: str, token: str, ready: str) -> Server:
    number, secret = free_port(), secrets.token_hex(16)
    log = surroundings.home / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments, f"{port}={number}", f"{ip}=127.0.0.1", f"{token}={secret}"],
            env=surroundings.environment, cwd=surroundings.root,
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    server = Server(surroundings, process, f"http://127.0.0.1:{number}", secret, log)
    try:
        _wait_until_it_answers(server, ready)
    except BaseException:
        server.stop()
        raise
    return server


def _wait_until_it_answers(server: Server, path: str) -> None:
    until = time.monotonic() + GUARD_S
    while True:
        assert server.process.poll() is None, f"the server ended:\n{server.log.read_text()}"
        try:
            with urllib.request.urlopen(server.address(path), timeout=5):
                return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            assert time.monotonic() < until, f"the server does not answer:\n{server.log.read_text()}"
            time.sleep(0.05)


def free_port() -> int:
    """A port on loopback that nobody uses now."""
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
