"""One run in each of its renderings, and how each end is told, word for word: the other layers show these texts.

`PYTHONPATH=tests .venv/bin/python -m rendering.test_golden` writes the files anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from claude_magic.errors import OverloadedError
from claude_magic.rendering import TerminalPrinter, error_bundle, notice, response_bundle
from claude_magic.rendering.footer import SIMULATED, unasked_notice
from claude_magic.response import AnswerSource, Outcome, Response

from .builders import decision, message, permission, response, result, use

FOLDER = Path(__file__).parent / "golden"
ANSWER = """\
I **look** at `load.py`.

| month | revenue |
|---|--:|
| Jan | 1,204 |

```python
sum(values)
```

- first
- *then*
"""
EDIT = {"file_path": "/home/me/project/etl/load.py", "old_string": "x = 1\n", "new_string": "x = 2\ny = 3\n"}
ASKED = {"questions": [{"question": "Which format?", "options": [{"label": "CSV", "description": "plain"}]}]}
RUN = (
    message("init", raw={"model": "claude-opus-4-8", "cwd": "/home/me/project"}),
    message("thinking", "Where are the prices?"),
    message("text", ANSWER, at=0.2),
    message("block"),
    use("r", "Read", {"file_path": "/home/me/project/etl/load.py"}, at=1.0),
    result("r", "64 lines", at=1.4),
    use("a", "Agent", {"description": "who else?"}, at=2.0),
    use("g", "Grep", {"pattern": "price"}, parent="a", at=2.0),
    result("g", "none", at=2.5),
    result("a", "nobody", at=11.0),
    use("e", "Edit", EDIT, at=11.0),
    result("e", "ok", at=11.1),
    use("q", "AskUserQuestion", ASKED, at=11.2),
    message("tool_result", "answered", raw={"tool_use_result": {"answers": {"Which format?": "CSV"}}}, tool_use_id="q"),
    use("b", "Bash", {"command": "rm *"}, at=12.0),
    permission("b"),
    decision("b", edited={"command": "ls"}),
    result("b", "a.csv", at=12.5),
    use("d", "Bash", {"command": "rm -r /"}, at=13.0),
    permission("d"),
    decision("d", allowed=False),
    result("d", "no", failed=True, at=13.1),
    message("text", "\n\nDone.", at=14.0),
)


def turn() -> Response:
    return response(*RUN, outcome=Outcome.INTERRUPTED, source=AnswerSource.SIMULATOR)


def in_terminal() -> str:
    written: list[str] = []
    printer = TerminalPrinter(written.append)
    printer.feed(turn().messages)
    printer.finish(turn())
    return "".join(written)


def failed() -> str:
    error = OverloadedError("The service is overloaded (HTTP 529).")
    error.response = response(message("text", "I was **about** to"), outcome=Outcome.ERROR, error=str(error))
    return str(error_bundle(error)["text/plain"])


def page() -> str:
    """The elements and the words, a line for each block; how they look is left out."""
    plain = re.sub(r' style="[^"]*"', "", response_bundle(turn())["text/html"])
    return re.sub(r"\n*(<(?:div|p|details|table|tr|pre|ul|li|summary|dl|dt)\b)", r"\n\1", plain)


RENDERINGS: dict[str, Callable[[], str]] = {
    "run.html": page,
    "run.md": lambda: response_bundle(turn())["text/plain"],
    "run.terminal.txt": in_terminal,
    "failure.md": failed,
}


@pytest.mark.parametrize("name", RENDERINGS)
def test_a_run_reads_as_its_golden_text(name: str) -> None:
    """Answer, tools, questions, the end and the footer, in one rendering."""
    assert f"{RENDERINGS[name]()}\n" == (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"outcome": Outcome.SUCCESS}, ""),
        (
            {"outcome": Outcome.INTERRUPTED},
            "Stopped by you. The text is kept and the session is warm: prompt again to go on.",
        ),
        (
            {"outcome": Outcome.INTERRUPTED, "process_gone": True},
            "Stopped by you. The text is kept. The process is gone: the next prompt resumes the session in a new one.",
        ),
        (
            {"outcome": Outcome.INTERRUPTED, "sent": False},
            "Stopped by you before the prompt was sent: Claude has not seen it, and nothing was spent.",
        ),
        (
            {"outcome": Outcome.DENIED},
            "Stopped because you denied a tool use. The session is warm: prompt again to go on.",
        ),
        (
            {"outcome": Outcome.DENIED, "process_gone": True},
            "Stopped because you denied a tool use. The process is gone: the next prompt resumes the session "
            "in a new one.",
        ),
        (
            {"outcome": Outcome.MAX_TURNS},
            "Stopped at the limit of steps. The session is warm: prompt again to go on, or raise --max-turns.",
        ),
        (
            {"outcome": Outcome.BUDGET},
            "Stopped at the budget. More prompts to this session would stop at once: start a new one with a higher "
            "--budget.",
        ),
        (
            {"outcome": Outcome.TIMEOUT},
            "Stopped because it took too long. The text is kept: prompt again to go on. A higher --timeout gives a "
            "prompt more time.",
        ),
        ({"outcome": Outcome.ERROR, "error": "It broke."}, "Failed: It broke."),
        ({"outcome": Outcome.ERROR}, "Failed: no reason was given."),
    ],
)
def test_how_a_run_ended(given: dict[str, object], words: str) -> None:
    """What happened, and what to do next."""
    assert notice(**given) == words  # type: ignore[arg-type]


def test_words_that_every_layer_shows() -> None:
    """What a reader is told of a simulated answer, and of tools that were denied where no one could be asked."""
    assert SIMULATED == "simulated: no model was called"
    assert unasked_notice({"Write", "Bash"}) == (
        "No one could be asked here, so Bash,Write was denied. In a new session, --allow Bash,Write lets it run."
    )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, render in RENDERINGS.items():
        (FOLDER / name).write_text(f"{render()}\n", encoding="utf-8")
