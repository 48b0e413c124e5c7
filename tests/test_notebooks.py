"""The notebooks: they run from top to bottom, and the answers they keep are those they give."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
VIEW_TYPE = "application/vnd.claude-magic.v1+json"
PLACES = re.compile(r"(?<![\w.<])/(?:root|tmp|Users|usr|opt|var|private|work)/|[A-Z]:\\\\|127\.0\.0\.1:\d|\"pid\"")
OWN_PLACES = [str(ROOT), sys.prefix, os.path.expanduser("~") + os.sep]

by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """`notebooks/run.py` as a module; the folder is for notebooks, no package."""
    spec = importlib.util.spec_from_file_location("notebook_runner", FOLDER / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_notebook(path: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Do what `make demo` does with a notebook, in a home of its own; what was run goes to its folder `output`."""
    home.mkdir(exist_ok=True)
    secret = ("ANTHROPIC_", "CLAUDE", "JUPYTER", "IPYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(secret)}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(home), "PYTHONPATH": str(ROOT)}
    environment |= {"CLAUDE_MAGIC_SIMULATE": "auto", "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(path.parent / "run.py"), str(path), "--output", str(path.parent / "output")]
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=220)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def may_fail(cell: NotebookNode) -> bool:
    return "raises-exception" in cell.metadata.get("tags", ())


def is_prompt(cell: NotebookNode) -> bool:
    """Whether a cell has an answer in a view; a map has a line with what it came to."""
    return re.match(r"%%claude(?! --map)|%claude (ask|fix)", cell.source) is not None


def runs_of(notebook: NotebookNode) -> list[NotebookNode]:
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return [output.data[VIEW_TYPE] for output in outputs if VIEW_TYPE in output.get("data", {})]


def answers(notebook: NotebookNode, *, of_tools: bool = True) -> list[str]:
    """The text of every answer, in order.

    Args:
        notebook: one that was run.
        of_tools: also of runs in which a command ran; what that prints depends on the folder.
    """
    runs = [run for run in runs_of(notebook) if of_tools or "Bash" not in {part.get("name") for part in run["parts"]}]
    return ["\n".join(part["text"] for part in run["parts"] if part["type"] == "text") for run in runs]


@pytest.mark.timeout(240)
@by_name
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    """Every prompt is answered, nothing fails that should not, and the answers are those the notebook keeps."""
    copy = Path(shutil.copytree(FOLDER, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*", "__*"))) / path.name

    done = run_notebook(copy, tmp_path / "home")

    assert done.returncode == 0, done.stdout + done.stderr
    run = read(copy.parent / "output" / path.name)
    errors = [cell.source for cell in code_cells(run) for out in cell.outputs if out.output_type == "error"]
    assert errors == [cell.source for cell in code_cells(run) if may_fail(cell)]
    assert len(answers(run)) == sum(map(is_prompt, code_cells(run)))
    assert answers(run, of_tools=False) == answers(read(path), of_tools=False), (
        "renew the kept answers: python notebooks/run.py --in-place …"
    )
    assert all(line in done.stdout for answer in answers(run) for line in answer.splitlines()[:1])
    if any(map(is_prompt, code_cells(run))):
        assert re.search("Simulated answers|Answers are simulated|Answers are played from", done.stdout)
    assert "</html>" in (copy.parent / "output" / f"{path.stem}.html").read_text(encoding="utf-8")


@by_name
def test_a_notebook_keeps_its_answers_and_nothing_of_a_machine(path: Path) -> None:
    """All cells were run in order; each answer says that it is simulated; no folder, port or process is named."""
    notebook = read(path)
    cells = code_cells(notebook)
    runs = runs_of(notebook)

    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert len(runs) == sum(map(is_prompt, cells))
    assert all(run["simulated"] and run["outcome"] == "success" for run in runs)
    assert all(answers(notebook))
    assert PLACES.findall(path.read_text(encoding="utf-8")) == []
    assert [place for place in OWN_PLACES if place in path.read_text(encoding="utf-8")] == []


def test_a_tape_names_no_machine() -> None:
    """Nothing of where it was recorded is on it."""
    tapes = list((FOLDER / "data").glob("*.tape.jsonl"))

    assert tapes
    assert [PLACES.findall(tape.read_text(encoding="utf-8")) for tape in tapes] == [[] for _ in tapes]


def test_a_notebook_that_fails_says_so(tmp_path: Path) -> None:
    """Exit code 1, the error in one line, and what was run is written all the same."""
    shutil.copy(FOLDER / "run.py", tmp_path)
    cells = [nbformat.v4.new_code_cell(source) for source in ("print('before')", "1 / 0", "print('after')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "bad.ipynb")

    done = run_notebook(tmp_path / "bad.ipynb", tmp_path / "home")

    assert done.returncode == 1
    assert "failed: ZeroDivisionError: division by zero" in done.stderr
    assert "before" in done.stdout
    assert "\nafter" not in done.stdout
    assert (tmp_path / "output" / "bad.html").is_file()


def test_a_notebook_that_is_not_there(runner: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 2."""
    assert runner.main([str(tmp_path / "none.ipynb")]) == 2
    assert "There is no notebook" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shown", "text", "written"),
    [
        ("", "Hel", "Hel"),
        ("Hel", "Hello", "lo"),
        ("Hello", "Hello", ""),
        ("Look.\n\nBash ls: running", "Look.\n\nBash ls: done\n\nIt", "\nBash ls: done\n\nIt"),
        ("Look.\n\nBash ls: done\n\nIt is", "Look.\n\nIt is here.\n\n1 s", " here.\n\n1 s"),
        ("Look.\n\nBash ls: done", "Look.\n\n1 s", "\n1 s"),
        ("abc", "xyz", "\nxyz"),
    ],
)
def test_a_display_that_changes_is_printed_as_it_grows(runner: ModuleType, shown: str, text: str, written: str) -> None:
    """What stands on the screen cannot be taken back, so only what is new is written."""
    assert runner.news(shown, text) == written


def test_what_is_kept_names_no_machine(runner: ModuleType) -> None:
    """Folders of the environment, temporary files of the kernel and ports get names that hold everywhere."""
    source = f'File "{sys.prefix}/lib/x.py"; File "/some/where/ipykernel_12/345.py"; http://127.0.0.1:4567; {ROOT}/a'
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("stream", text=source)], execution_count=7)
    notebook = nbformat.v4.new_notebook(cells=[cell])

    runner.tidy(notebook)

    assert notebook.cells[0].execution_count == 1
    text = notebook.cells[0].outputs[0].text
    assert text == 'File "<environment>/lib/x.py"; File "<cell>"; http://127.0.0.1:PORT; <checkout>/a'


@by_name
def test_opening_a_notebook_leaves_it_as_it_was(path: Path) -> None:
    """JupyterLab fills in what is missing here, and then asks whether the change is to be saved."""
    info = read(path).metadata["language_info"]

    assert {"codemirror_mode", "file_extension", "mimetype", "name", "nbconvert_exporter", "pygments_lexer"} <= set(
        info
    )
    assert info["version"]
