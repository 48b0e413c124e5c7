"""Run a notebook without a browser: prompts and answers in the terminal, as they come.

    python notebooks/run.py notebooks/quickstart.ipynb --output output     # what `make demo` does
    python notebooks/run.py notebooks/*.ipynb --in-place                   # renew the answers that the notebooks keep

With --in-place the answers are simulated and what belongs to this machine (folders, user name, process ids) is taken
out of them, so that the notebooks can be committed.
"""

from __future__ import annotations

import argparse
import getpass
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

_CELL_TIMEOUT_S = 600
_RULE = "─" * 78
_VIEW_TYPE = "application/vnd.claude-magic.v1+json"
_COLOUR = re.compile("\x1b\\[[0-9;]*m")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the notebooks that the arguments name; the exit code is 1 if a cell failed that should not."""
    options = _parser().parse_args(argv)
    for path in options.notebook:
        if not path.is_file():
            print(f"There is no notebook {path}.", file=sys.stderr)
            return 2
    try:
        for path in options.notebook:
            if options.in_place:
                renew(path)
            else:
                present(path, options.output)
    except CellExecutionError as error:
        print(f"\nThe notebook stopped at a cell that failed: {error.ename}: {error.evalue}", file=sys.stderr)
        return 1
    except (CellTimeoutError, DeadKernelError) as error:
        print(f"\nThe notebook stopped: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run notebooks without a browser.")
    parser.add_argument("notebook", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder for what was run (default: output)")
    parser.add_argument("--in-place", action="store_true", help="renew the simulated answers kept in the notebooks")
    return parser


def present(path: Path, output: Path) -> None:
    """Run a notebook in front of the reader, and write it to `output` as a notebook and as a page.

    Raises:
        CellExecutionError: a cell failed; what there is was written all the same.
    """
    notebook = _read(path)
    try:
        execute(notebook, path.parent, sys.stdout)
    finally:
        output.mkdir(parents=True, exist_ok=True)
        executed, page = output / path.name, output / f"{path.stem}.html"
        nbformat.write(notebook, executed)
        page.write_text(_html(notebook, path.stem), encoding="utf-8")
        print(f"\n{_RULE}\nThe executed notebook: {executed}\nThe same as a page:    {page}")


def renew(path: Path) -> None:
    """Run a notebook with simulated answers, in a home of its own, and keep them in it.

    Raises:
        CellExecutionError: a cell failed; the notebook is left as it was.
    """
    notebook = _read(path)
    with _simulated_home():
        execute(notebook, path.parent, sys.stdout)
        tidy(notebook)
    nbformat.write(notebook, path)


def execute(notebook: NotebookNode, folder: Path, screen: TextIO) -> None:
    """Run all cells in order, and show them on `screen`.

    Args:
        notebook: it gets the outputs.
        folder: where its code runs.
        screen: where prompts and answers are written to.

    Raises:
        CellExecutionError: a cell failed that is not tagged `raises-exception`.
    """
    # The kernel of this environment, not one of the same name that the user once installed.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    client = _Presenter(
        notebook,
        screen,
        timeout=_CELL_TIMEOUT_S,
        # On a busy machine outputs may come later than the reply; left at 4 s, they would be missing without a word.
        iopub_timeout=_CELL_TIMEOUT_S,
        kernel_name="python3",
        # It warns that its ports on loopback are not encrypted, at every start.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,  # widgets are gone when a cell is over
    )
    client.execute()


class _Presenter(NotebookClient):  # type: ignore[misc]  # nbclient publishes no types
    """Executes a notebook and writes each cell and its outputs to a screen as they come."""

    def __init__(self, notebook: NotebookNode, screen: TextIO, **settings: Any) -> None:
        super().__init__(notebook, **settings)
        self._screen = screen
        self._shown: dict[str, str] = {}
        self.on_cell_start = self._show_source

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        kept = super().process_message(msg, cell, cell_index)
        content = msg["content"]
        match msg["msg_type"]:
            case "stream":
                self._write(content["text"])
            case "execute_result":
                self._write(content["data"].get("text/plain", "") + "\n")
            case "display_data" | "update_display_data":
                self._show_display(content)
            case "error":
                self._write(_COLOUR.sub("", "\n".join(content["traceback"])) + "\n")
        return kept

    def _show_source(self, cell: NotebookNode, cell_index: int) -> None:
        if cell["cell_type"] == "code":
            source = "\n".join(f"│ {line}".rstrip() for line in cell["source"].splitlines())
            self._write(f"\n{_RULE}\n{source}\n\n")

    def _show_display(self, content: dict[str, Any]) -> None:
        name = str(content.get("transient", {}).get("display_id", ""))
        text = content["data"].get("text/plain", "")
        is_final = _VIEW_TYPE in content["data"] or not name
        self._write(news(self._shown.get(name, ""), text) + ("\n" if is_final else ""))
        self._shown[name] = text

    def _write(self, text: str) -> None:
        self._screen.write(text)
        self._screen.flush()


def news(shown: str, text: str) -> str:
    """Return what must still be written when `shown` stands on the screen and the display now says `text`.

    Mostly the text has grown. Where a tool's line changed it is written again below; and at the end, when these lines
    are gone, it goes on after the last paragraph that both have.
    """
    if text.startswith(shown):
        return text[len(shown) :]
    last = shown.rsplit("\n\n", 1)[-1]
    at = text.rfind(last)
    if at >= 0:
        return text[at + len(last) :]
    same = next(at for at, (old, new) in enumerate(zip(shown + "\0", text + "\1", strict=False)) if old != new)
    return "\n" + text[text.rfind("\n", 0, same) + 1 :]


# Outputs that can be committed.


def tidy(notebook: NotebookNode) -> None:
    """Take out of the outputs what belongs to this machine and this hour."""
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        cell["execution_count"] = number
        cell["metadata"].pop("execution", None)
        cell["outputs"] = [_tidied(output) for output in cell["outputs"]]
    # All that JupyterLab writes there, so that a notebook which is only looked at stays as it was saved.
    notebook.metadata["language_info"] = {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": notebook.metadata.get("language_info", {}).get("version", ""),
    }


def _tidied(value: Any) -> Any:
    if isinstance(value, str):
        return _without_machine(value)
    if isinstance(value, dict):
        return NotebookNode({key: _tidied(item) for key, item in value.items()})
    return [_tidied(item) for item in value] if isinstance(value, list) else value


def _without_machine(text: str) -> str:
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"[\w./~-]*/ipykernel_\d+/\d+\.py", "<cell>", text)
    # Longest first: the environment may lie in the checkout, and the checkout in the home folder.
    for folder, name in sorted(_folders().items(), key=lambda item: -len(item[0])):
        text = text.replace(folder, name)
    return re.sub(rf"\b{re.escape(getpass.getuser())}\b", "user", text) if getpass.getuser() != "root" else text


def _folders() -> dict[str, str]:
    named = {
        sys.prefix: "<environment>",
        sys.base_prefix: "<python>",
        str(Path(__file__).resolve().parents[1]): "<checkout>",
        os.path.expanduser("~"): "<home>",
        tempfile.gettempdir(): "<temporary>",
    }
    return {folder: name for folder, name in named.items() if len(folder) > 1}


@contextmanager
def _simulated_home() -> Iterator[None]:
    """An empty home and no credential, so that nothing of the user is run, read or shown."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="claude-magic-home-", ignore_cleanup_errors=True) as home:
        os.environ.update(HOME=home, USERPROFILE=home, IPYTHONDIR=home, CLAUDE_MAGIC_SIMULATE="auto")
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"):
            os.environ.pop(name, None)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def _html(notebook: NotebookNode, title: str) -> str:
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return str(page)


if __name__ == "__main__":
    sys.exit(main())
