"""Claude at the kernel, in a real one with the real CLI: it looks at variables and runs code where the data is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernels import Cell, Content, Kernel

from claude_magic.simulator import Scenario, Simulator, rule, step, text, tool

SETUP = """
import numpy as np, pandas as pd, time
sales = pd.DataFrame({"month": ["2026-01", "2026-02", "2026-03"] * 4, "revenue": range(12)})
db_password = "correct-horse-7-battery"
def by_month(frame):
    "Revenue of each month."
    return frame.groupby("month").revenue.sum()
"""


@pytest.fixture(scope="module")
def api() -> Iterator[Simulator]:
    with Simulator(Scenario()) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def ready(begin: Callable[[], tuple[Kernel, Path]]) -> Kernel:
    """A kernel with some data."""
    kernel, _ = begin()
    assert kernel.run(SETUP).error == ""
    return kernel


def call(api: Simulator, *calls: tuple[str, Content]) -> None:
    """Have the next prompt call tools of the kernel, one after the other."""
    steps = [step(tool(f"mcp__kernel__{name}", **given)) for name, given in calls]
    api.say(Scenario(rules=[rule("go", *steps, text("Seen: {tool_result}")), rule(None, text("You said: {prompt}"))]))


def results(api: Simulator) -> list[Any]:
    """The contents of the tool results in the last request, in order."""
    body = json.loads(api.requests[-1].raw)
    contents = [message["content"] for message in body["messages"] if isinstance(message["content"], list)]
    blocks = [block for content in contents for block in content]
    return [block["content"] for block in blocks if block.get("type") == "tool_result"]


def last_text(api: Simulator) -> str:
    content = results(api)[-1]
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def prompt(kernel: Kernel, options: str = "", **more: Any) -> Cell:
    return kernel.run(f"%%claude --new {options}\ngo", **more)


def test_list_variables_needs_no_question(ready: Kernel, api: Simulator) -> None:
    """Level `ask` is the default: looking is not asked about, and shows no secret."""
    call(api, ("list_variables", {}))

    cell = prompt(ready)

    assert cell.error == ""
    assert cell.questions == []
    assert "sales: pandas.DataFrame, 12 rows × 2 columns" in last_text(api)
    assert "by_month: function" in last_text(api)
    assert "db_password: str (secret: only its type is shown)" in last_text(api)
    assert "correct-horse" not in api.requests[-1].raw.decode()


def test_inspect_shows_a_table_once(ready: Kernel, api: Simulator) -> None:
    """The same again is not sent again."""
    call(
        api,
        ("inspect", {"name": "sales"}),
        ("inspect", {"name": "sales"}),
        ("inspect", {"name": "sales", "again": True}),
    )

    cell = prompt(ready)

    assert cell.error == ""
    first, second, third = (content[0]["text"] for content in results(api)[-3:])
    assert "| revenue | int64 | 0 | 12 | 0 | 5.5 | 11 |" in first
    assert second == "sales is unchanged since you looked at it (again=true shows it in full once more)."
    assert third == first


def test_run_python_asks_and_forgets_what_it_assigned(ready: Kernel, api: Simulator) -> None:
    code = "total = by_month(sales)\nprint('months', len(total))\ntotal.max()"
    call(api, ("run_python", {"code": code, "purpose": "find the best month"}))

    cell = prompt(ready, answers=["y"])

    assert cell.error == ""
    assert len(cell.questions) == 1
    assert "run_python" in cell.questions[0]
    assert "by_month(sales)" in cell.questions[0]
    assert last_text(api).split() == ["months", "3", "np.int64(26)"]
    assert ready.value("'total' in globals()") == "False"


def test_run_python_denied_runs_nothing(ready: Kernel, api: Simulator) -> None:
    call(api, ("run_python", {"code": "sales.drop(columns='revenue', inplace=True)"}))

    prompt(ready, answers=["n"])

    assert ready.value("list(sales.columns)") == "['month', 'revenue']"


def test_run_python_is_refused_where_nobody_can_be_asked(ready: Kernel, api: Simulator) -> None:
    """As under nbclient; the level `run` works there."""
    call(api, ("run_python", {"code": "1 + 1"}))

    prompt(ready)
    assert "No one can be asked" in last_text(api)

    prompt(ready, "--kernel run")
    assert last_text(api).strip() == "2"


def test_levels_offer_no_more_than_they_say(ready: Kernel, api: Simulator) -> None:
    def offered() -> set[str]:
        body = json.loads(api.requests[-1].raw)
        return {one["name"].removeprefix("mcp__kernel__") for one in body["tools"] if "mcp__kernel__" in one["name"]}

    call(api)
    seen = []
    for options in ("--kernel off", "--kernel read", "--kernel ask", "--tools Read"):
        prompt(ready, options)
        seen.append(offered())
    ready.run("%config ClaudeMagics.kernel_max = 'read'")
    prompt(ready, "--kernel run")
    at_most_read = offered()
    ready.run("%config ClaudeMagics.kernel_max = 'ask'")
    prompt(ready, "--permission-mode bypassPermissions")  # no one would be asked
    ready.run("%config ClaudeMagics.kernel_max = 'run'")

    look = {"list_variables", "inspect", "read_cells"}
    assert seen == [set(), look, {*look, "run_python", "add_cell", "edit_cell", "delete_cell"}, set()]
    assert at_most_read == offered() == look


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f():\n    return missing\nf()", "NameError: name 'missing' is not defined"),
        ("%time 1", "IPython's %magics"),
        ("await f()", "awaits at its top level"),
        ("input('x')", "input() cannot ask the user"),
        ("exit()", "exit() ends nothing here"),
        ("if", "SyntaxError"),
        ("import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('more')", "out\nerr\nmore"),
        ("sales['new'] = 1", "Changed in place, in the user's kernel: sales."),
        ("import __main__; __main__.added = 1", "New in the user's kernel: added."),
        ("print('x' * 100_000)", "characters left out"),
        ("sales.head(1)", "| 2026-01 | 0 |"),
        ("'text'", "'text'"),
        ("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n'own handler'", "own handler"),
        ("import sys\nsys.stdout.close()\nprint('still', sys.stdout.encoding.lower())", "still utf-8"),
        ("def f(): return f()\nf()", "RecursionError"),
        ("import os\nif os.fork() == 0:\n    raise ValueError('in the child')\nos.wait()[1]", "0"),
        (
            "import matplotlib.pyplot as plt\nfor n in range(60): plt.figure()\nlen(plt.get_fignums())",
            "57 more figures",
        ),
        ("for n in range(100_000): print('x' * 100)\n'over'", "characters left out"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", "E"),
        (
            "from IPython.display import display, clear_output\nprint('gone')\nclear_output()\n"
            "d = display(1, display_id=True)\nd.update(2)",
            "2",
        ),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(1,), name='left-over').start()",
            "left-over",
        ),
    ],
)
def test_run_python_says(ready: Kernel, api: Simulator, code: str, said: str) -> None:
    """What goes wrong or on is told to the model in words."""
    ready.run(SETUP)
    call(api, ("run_python", {"code": code}))

    cell = prompt(ready, "--kernel run")

    assert cell.error == ""
    assert said in last_text(api)
    assert "claude_magic" not in last_text(api)
    assert len(last_text(api)) < 12_000


def test_run_python_brings_figures_as_pictures(ready: Kernel, api: Simulator) -> None:
    code = "import matplotlib.pyplot as plt\nsales.plot(figsize=(20, 4))\nprint('drawn')\nplt.show()"
    call(api, ("run_python", {"code": code}))

    cell = prompt(ready, "--kernel run")

    assert cell.error == ""
    kinds = [part["type"] for part in results(api)[-1]]
    assert "image" in kinds
    assert "drawn" in last_text(api)
    assert ready.value("__import__('matplotlib.pyplot').pyplot.get_fignums()") == "[]"


def test_run_python_is_interrupted_at_its_limit(ready: Kernel, api: Simulator) -> None:
    code = "import time\nprint('began')\ntime.sleep(60)\nprint('never')"
    call(api, ("run_python", {"code": code, "timeout_s": 1}))

    cell = prompt(ready, "--kernel run")

    assert cell.error == ""
    assert "began" in last_text(api)
    assert "KeyboardInterrupt" in last_text(api)
    assert "never" not in last_text(api)


def test_code_that_catches_every_interrupt_ends_at_its_limit(ready: Kernel, api: Simulator) -> None:
    code = (
        "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        print('caught')"
    )
    call(api, ("run_python", {"code": code, "timeout_s": -5}))

    cell = prompt(ready, "--kernel run")

    assert cell.error == ""
    assert "caught" in last_text(api)
    assert "KeyboardInterrupt" in last_text(api)


def test_code_of_a_background_prompt_holds_up_no_cell(ready: Kernel, api: Simulator) -> None:
    """It waits until the cell is over, and the cell waits for the code of its own prompt."""
    call(api, ("run_python", {"code": "1 + 1"}))

    cell = ready.run("%claude ask --new --bg --kernel run -o run go\n%claude ask --new -s other --kernel run go")

    assert cell.error == ""
    ready.run("while not run.is_done: await __import__('asyncio').sleep(0.05)")
    assert last_text(api).strip() == "2"


def test_stop_reaches_the_code(ready: Kernel, api: Simulator) -> None:
    """The kernel's interrupt ends the code and the turn, and nothing goes on."""
    code = (
        "import time\ndisplay_marker = 1\nopen('running', 'w').close()\ntime.sleep(60)\nopen('survived', 'w').close()"
    )
    call(api, ("run_python", {"code": code}))
    ready.run("import os, threading\nthreading.Thread(target=lambda: [time.sleep(0.05) for _ in range(400)"
              " if not os.path.exists('running')] and os.kill(os.getpid(), 2)).start()")  # fmt: skip

    began = time.monotonic()
    cell = prompt(ready, "--kernel run")

    assert "KeyboardInterrupt" in cell.error
    assert time.monotonic() - began < 30
    assert ready.value("os.path.exists('survived')") == "False"
    assert ready.run("%%claude\nhello").error == ""


def test_look_answers_while_another_cell_runs(ready: Kernel, api: Simulator) -> None:
    """With `--bg`, looking does not wait for the main thread, and code waits until the cell is over."""
    call(api, ("inspect", {"name": "sales"}), ("run_python", {"code": "busy"}))
    ready.run("busy = 'before'")

    cell = ready.run(
        "%claude ask --new --bg --kernel run -o run go\n"
        "busy = 'during'\n"
        "wanted = (['mcp__kernel__inspect', 'mcp__kernel__run_python'], [True, False])\n"
        "state, until = None, time.monotonic() + 60\n"
        "while state != wanted and time.monotonic() < until:\n"
        "    time.sleep(0.02)\n"
        "    tools = client.frames.tools().query('session == \"main\"').tail(2)\n"
        "    state = (list(tools.name), list(tools.duration_s.notna()))\n"
        "busy = 'after'"
    )
    assert cell.error == ""
    assert ready.value("state == wanted") == "True"
    ready.run("while not run.is_done: await __import__('asyncio').sleep(0.05)")
    assert "'after'" in last_text(api)


def test_offered_functions_are_tools(ready: Kernel, api: Simulator) -> None:
    """`--offer` makes a function of the notebook a tool, which runs on the kernel's main thread and is asked about."""
    ready.run(
        "import threading\n"
        "def best_month(year: int) -> str:\n"
        "    'The best month of a year.'\n"
        "    assert threading.current_thread() is threading.main_thread()\n"
        "    return f'{year}-03'"
    )
    api.say(Scenario(rules=[rule("go", tool("mcp__notebook__best_month", year=2026), text("Seen: {tool_result}"))]))

    cell = prompt(ready, "--offer best_month", answers=["y"])

    assert cell.error == ""
    assert len(cell.questions) == 1
    assert last_text(api) == "2026-03"
    assert "no_such" in prompt(ready, "--offer no_such").printed


def test_offered_functions_show_no_secret_and_end_no_loop(ready: Kernel, api: Simulator) -> None:
    ready.run(
        "def tell() -> str:\n    'Tell.'\n    return f'it is {db_password}'\n"
        "def first() -> int:\n    'First.'\n    return next(iter([]))"
    )
    steps = [step(tool("mcp__notebook__tell")), step(tool("mcp__notebook__first"))]
    api.say(Scenario(rules=[rule("go", *steps, text("Seen."))]))

    cell = prompt(ready, "--offer tell,first", answers=["y", "y"])

    assert cell.error == ""
    told, failed = results(api)[-2:]
    assert told[0]["text"] == "it is [redacted db_password]"
    assert "StopIteration" in failed


def test_add_cell_without_a_page_runs_and_is_suggested(ready: Kernel, api: Simulator) -> None:
    """It is a cell of its own: number, In and Out; the page gets it as its next cell, and the model is told so."""
    call(api, ("add_cell", {"source": "made = sales.revenue.max()\nmade"}), ("add_cell", {"source": "more = 1"}))

    cell = prompt(ready, "--kernel run")

    first, second = results(api)[-2:]
    number = cell.reply["execution_count"]
    assert f"It was run as [{number + 1}]." in first[0]["text"]
    assert "it is suggested as the next cell" in first[0]["text"]
    assert "give the source to the user in your answer" in second[0]["text"]
    suggested = [payload["text"] for payload in cell.reply["payload"] if payload["source"] == "set_next_input"]
    assert suggested == ["made = sales.revenue.max()\nmade"]
    after = ready.run(f"(In[{number + 1}], Out[{number + 1}], made, more)")
    assert after.result == "('made = sales.revenue.max()\\nmade', np.int64(11), np.int64(11), 1)"
    assert after.reply["execution_count"] == number + 3
    assert ready.value("client.frames.cells().change.tolist()[-2:]") == "['added', 'added']"
    assert "('made', 'created')" in ready.value(
        "list(zip(client.frames.variables().name, client.frames.variables().change))"
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("await something()", "It was not run: a cell that awaits"),
        ("%%claude\nagain", "It was not run: a cell that prompts"),
        ("x = 1\n%claude ask again", "It was not run: a cell that prompts"),
        ("!echo from a shell", "from a shell"),
        ("%%time\nprint('timed')", "timed"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("exec('raise SystemExit')", "SystemExit"),
        ("%time 1 + 1", "2"),
        ("print('seen')", "seen"),
        ("", "It was run as"),
    ],
)
def test_add_cell_tells_what_became_of_it(ready: Kernel, api: Simulator, source: str, said: str) -> None:
    call(api, ("add_cell", {"source": source}))

    cell = prompt(ready, "--kernel run")

    assert cell.error == ""
    assert said in last_text(api)
    assert ready.run("1 + 1").reply["execution_count"] > cell.reply["execution_count"]


def test_read_cells_without_a_page_tells_what_was_run(ready: Kernel, api: Simulator) -> None:
    call(api, ("read_cells", {}), ("edit_cell", {"cell_id": "a", "version": "b", "source": "c"}))
    ready.run("before = 'the prompt'")

    prompt(ready, "--kernel run")

    outline, refusal = results(api)[-2:]
    assert "they have no ids" in outline[0]["text"]
    assert "before = 'the prompt'" in outline[0]["text"]
    assert "No page can be asked to change cells here" in refusal  # a failed tool's result is its text


def test_the_open_notebook_is_guarded(begin: Callable[[], tuple[Kernel, Path]], api: Simulator) -> None:
    """The CLI's own tools cannot edit its file, whatever the permission mode; they can read it."""
    kernel, folder = begin()
    notebook = folder / "open (1).ipynb"
    content = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'
    notebook.write_text(content)
    kernel.run(f"import os; os.environ['JPY_SESSION_NAME'] = {str(notebook)!r}")
    edits = [
        step(tool("Read", file_path=str(notebook))),
        step(tool("Write", file_path=str(notebook), content="{}")),
        step(tool("NotebookEdit", notebook_path=str(notebook), new_source="x", edit_mode="insert")),
    ]
    api.say(Scenario(rules=[rule("go", *edits, text("Done."))]))

    cell = kernel.run("%%claude --permission-mode bypassPermissions\ngo")

    assert cell.error == ""
    assert notebook.read_text() == content


def test_a_kept_answer_says_that_its_data_has_changed(ready: Kernel, api: Simulator) -> None:
    ready.run("orders = pd.DataFrame({'n': [1, 2, 3]})")
    call(api, ("inspect", {"name": "orders"}))
    assert ready.run("%%claude --new -s kept --keep\ngo").error == ""
    asked = len(api.requests)

    same = ready.run("%%claude --new -s kept --keep\ngo")
    ready.run("orders.loc[0, 'n'] = 100")
    changed = ready.run("%%claude --new -s kept --keep\ngo")

    assert len(api.requests) == asked
    assert "changed since" not in same.text
    assert "this kept answer looked at orders, which changed since" in str(changed.updates)


def test_changes_of_the_scratch_pad_are_on_record(ready: Kernel, api: Simulator) -> None:
    ready.run(SETUP)
    call(api, ("run_python", {"code": "sales['doubled'] = 2 * sales.revenue\nlocal = 1"}))

    prompt(ready, "--kernel run")

    last = "client.frames.variables().iloc[-1][['session', 'name', 'change', 'size']].tolist()"
    assert ready.value(last) == "['main', 'sales', 'changed', '12 × 3']"


def test_a_plan_runs_nothing_unasked(ready: Kernel, api: Simulator) -> None:
    """Whatever the level says."""
    call(api, ("run_python", {"code": "import __main__; __main__.planned = 1"}))

    prompt(ready, "--kernel run --permission-mode plan", answers=["n", "n"])

    assert ready.value("'planned' in globals()") == "False"
