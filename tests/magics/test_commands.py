"""`%claude` and its sub-commands, and the extension itself: loading, settings, unloading."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes import FakeCLIs
from IPython.core.error import UsageError

from claude_magic import blocking
from claude_magic.engine.session import managed
from claude_magic.errors import SessionNotFoundError
from claude_magic.magics.commands import COMMANDS, fix_prompt
from claude_magic.magics.simulation import VARIABLE

ID = "11111111-1111-4111-8111-111111111111"
Prompts = Callable[[], list[Any]]
Output = pytest.CaptureFixture[str]


def magics_of(shell: Any) -> Any:
    return shell.magics_manager.registry["ClaudeMagics"].context


def names(shell: Any) -> list[str]:
    return [info.name for info in magics_of(shell).client.list_sessions()]


@pytest.mark.parametrize("line", ["%claude", "%claude status", "%claude ?"])
def test_status(shell: Any, capsys: Output, line: str) -> None:
    """The sessions, and below them the help that is quickly read, with two examples."""
    shell.run_cell("%claude ask --quiet -s first hi")
    shell.run_cell(line)

    shown = capsys.readouterr().out
    headline = "Claude: 1 session open, real answers, kernel level ask (looks at variables, asks before it runs code)"
    assert shown.startswith(f"{headline}\n  first ")
    assert "1 turn, $0.0100" in shown
    assert shown.count("    %%claude") == 2
    assert "%claude help --all" in shown
    assert len(shown.splitlines()) < 32


@pytest.mark.parametrize("line", ["%claude help", "%claude --help", "%claude -h", "%%claude --help",
    "%%claude --help\nhi", "%claude?", "%%claude?",
])  # fmt: skip
def test_help_is_quickly_read(shell: Any, capsys: Output, line: str) -> None:
    """It fits a screen, and says how to get the rest."""
    shell.run_cell(line)

    shown = capsys.readouterr().out
    assert "doctor" in shown or "--dry-run" in shown
    assert len(shown.splitlines()) < 32
    assert all(len(row) <= 110 for row in shown.splitlines())


def test_all_of_the_help(shell: Any, capsys: Output) -> None:
    """Every option and every sub-command, in groups."""
    shell.run_cell("%claude help --all")

    shown = capsys.readouterr().out
    assert all(f"    {command.usage}" in shown for command in COMMANDS.values())
    assert "-o, --output VAR" in shown
    assert "\n  Conversations\n" in shown


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%claude help queue", "%claude queue [NAME] [drop N"),
        ("%claude queue --help", "%claude queue [NAME] [drop N"),
        ("%claude ask --help", "%claude ask [options] TEXT"),
        ("%claude help --model", "%%claude -m, --model M"),
        ("%claude help turns", "--since 2d"),
    ],
)
def test_help_on_one_thing(shell: Any, capsys: Output, line: str, words: str) -> None:
    """A command or an option; one that does not exist gets the one that was probably meant."""
    shell.run_cell(line)
    assert words in capsys.readouterr().out
    with pytest.raises(UsageError, match="no such command or option; did you mean sessions"):
        shell.run_cell("%claude help sesions")


@pytest.mark.parametrize("line", ["nosuch", "asked what", "ASK hi"])
def test_an_unknown_sub_command(shell: Any, prompts: Prompts, line: str) -> None:
    """Is one line that says where to look; it is not taken for a prompt."""
    with pytest.raises(UsageError, match="`%claude help --all` lists what there is"):
        shell.run_cell(f"%claude {line}")

    assert prompts() == []


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("%claude sesions", "did you mean %claude sessions? `%claude help --all` lists"),
        ("%claude Status", "did you mean %claude status?"),
        ("%claude zzz", "%claude zzz is unknown. `%claude help --all` lists"),
        ("%claude ask --modle haiku hi", "unrecognized option --modle; did you mean --model? (put -- before"),
        (
            "%%claude --modle=haiku\nhi",
            "unrecognized option --modle=haiku; did you mean --model? `%claude help --all` lists",
        ),
        ("%%claude --zzz\nhi", "unrecognized option --zzz. `%claude help --all` lists"),
    ],
)
def test_a_misspelt_word(shell: Any, line: str, meant: str) -> None:
    """Says what was probably meant."""
    with pytest.raises(UsageError) as caught:
        shell.run_cell(line)

    assert meant in str(caught.value)


def test_ask_without_a_prompt(shell: Any) -> None:
    """Says where the prompt of a line stands."""
    with pytest.raises(UsageError, match=r"^%claude ask needs a prompt on the same line"):
        shell.run_cell("%claude ask --quiet")


@pytest.mark.parametrize("line", ["ask", "ask ", "ask -m haiku", "ask --", "fix"])
def test_no_prompt(shell: Any, prompts: Prompts, line: str) -> None:
    """Nothing to send is a mistake."""
    with pytest.raises(UsageError, match="Nothing was sent"):
        shell.run_cell(f"%claude {line}")

    assert prompts() == []
    assert names(shell) == []


@pytest.mark.parametrize("word", ["sessions", "turns", "tools", "history", "logs", "stats"])
def test_tables(shell: Any, word: str) -> None:
    """Those that answer with a table return a DataFrame, before the first prompt too."""
    assert isinstance(shell.run_cell(f"%claude {word}").result, pd.DataFrame)

    shell.run_cell("%claude ask --quiet hi")
    frame = shell.run_cell(f"frame = %claude {word}\nframe").result
    assert len(frame) == {"sessions": 1, "turns": 1, "stats": 1, "tools": 0}.get(word, len(frame))


def test_new_close_and_resume(shell: Any, clis: FakeCLIs, capsys: Output) -> None:
    """A conversation begins anew, ends, and goes on by its id."""
    shell.run_cell("%claude ask --quiet hi")
    old = shell.user_ns["_claude"].session_id
    shell.run_cell("%claude new")
    shell.run_cell("%claude ask --quiet hi")
    assert shell.user_ns["_claude"].session_id != old

    shell.run_cell("%claude close")
    assert names(shell) == []
    assert clis.alive == []

    shell.run_cell(f"%claude resume {old} again")
    shell.run_cell("%claude ask --quiet -s again hi")
    assert any(argument == f"--resume={old}" for argument in clis.started[-1].launch.argv)
    assert capsys.readouterr().out.count("\n") == 3


def test_resume_tells_what_it_closes(shell: Any, capsys: Output) -> None:
    """The id of the conversation that gives its name up is there to go on with it."""
    shell.run_cell("%claude ask --quiet hi")
    old = shell.user_ns["_claude"].session_id

    shell.run_cell(f"%claude resume {ID}")
    assert capsys.readouterr().out.endswith(f"at the next prompt. Closed: main ({old}).\n")
    shell.run_cell(f"%claude resume {ID} other")
    assert "Closed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", ["resume nosuch", "ask --new --resume nosuch hi", "ask --resume nosuch hi", "ask -s b --resume nosuch hi"]
)
def test_what_is_no_id_closes_nothing(shell: Any, prompts: Prompts, line: str) -> None:
    """A misspelt id is a mistake before anything happens: the open session goes on."""
    shell.run_cell("%claude ask --quiet hi")
    main = magics_of(shell).client.get_session("main")

    with pytest.raises(UsageError, match=r"'nosuch' is not the id of a conversation; `%claude transcripts` lists them"):
        shell.run_cell(f"%claude {line}")

    assert prompts() == ["hi"]
    assert names(shell) == ["main"]
    shell.run_cell("%claude ask --quiet again")
    assert magics_of(shell).client.get_session("main") is main


def test_a_title_is_resumed_like_an_id(
    shell: Any, clis: FakeCLIs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CLI finds a conversation by the title that somebody gave it, whatever its case."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "cli"))
    folder = tmp_path / "cli" / "projects" / "-somewhere"
    folder.mkdir(parents=True)
    (folder / f"{ID}.jsonl").write_text(f'{{"type":"custom-title","customTitle":"Umsatz-Ä","sessionId":"{ID}"}}\n')

    shell.run_cell("%claude resume umsatz-ä")
    shell.run_cell("%claude ask --quiet hi")

    assert "--resume=umsatz-ä" in clis.last.launch.argv


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"No conversation found with session ID: {ID}", f"No conversation found with session ID: {ID}. `%claude"),
        (
            "Error: --resume requires a valid session ID or session title when used with --print. Usage: claude -p "
            '--resume <session-id|title>. Provided value "x" is not a UUID and does not match any session title.',
            "The CLI knows no such conversation. `%claude",
        ),
    ],
)
def test_a_conversation_that_is_not_there(shell: Any, clis: FakeCLIs, said: str, told: str) -> None:
    """Says so once with what to do, and the next prompt begins a conversation instead of failing again."""
    start = clis.start

    async def refuse(launch: Any) -> Any:
        cli = await start(launch)
        if any(argument.startswith("--resume") for argument in launch.argv):
            cli._control = lambda request_id, request: None  # type: ignore[method-assign]  # it never answers
            cli.result(subtype="error_during_execution", is_error=True, result=None, errors=[said])
            cli.die(1)
        return cli

    client = magics_of(shell).client._client
    client._pool._starter._start = refuse
    shell.run_cell(f"%claude resume {ID}")
    with pytest.raises(SessionNotFoundError) as caught:
        shell.run_cell("%claude ask --quiet hi")

    shown = "\n".join(caught.value._render_traceback_())  # type: ignore[attr-defined]  # IPython's hook for exceptions
    assert shown.startswith(f"SessionNotFoundError: {told}")
    assert shown.endswith("`%claude new NAME` begins a new conversation.")
    assert ".." not in shown
    shell.run_cell("%claude ask --quiet hi")
    assert shell.user_ns["_claude"].text == "echo: hi"


def test_fork(shell: Any, clis: FakeCLIs, capsys: Output) -> None:
    """A copy begins where the other session stands, with its settings; the other one is not touched."""
    shell.run_cell("%claude ask --quiet --allow Bash hi")
    old = shell.user_ns["_claude"].session_id
    shell.run_cell("%claude fork second")
    assert capsys.readouterr().out == "second begins with the next prompt as a copy of main, which stays as it is.\n"

    shell.run_cell("%claude ask --quiet -s second hi")
    shell.run_cell("%claude ask --quiet -s third --fork second hi")
    begun = [cli.launch.argv for cli in clis.started]
    assert [f"--resume={old}" in argv and "--fork-session" in argv for argv in begun[:2]] == [False, True]
    assert names(shell) == ["main", "second", "third"]
    main, second, third = (magics_of(shell).client.get_session(name) for name in names(shell))
    assert main.session_id == old
    assert f"--resume={second.session_id}" in begun[2]
    assert third.config.allowed_tools == second.config.allowed_tools == ("Bash",)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("%claude fork", "needs a name"),
        ("%claude fork fresh", "fresh is open already"),
        ("%claude fork copy fresh", "fresh has no conversation yet"),
        ("%claude fork copy nosuch", "There is no session"),
        ("%claude ask -s copy --fork nosuch hi", "There is no session"),
        ("%claude ask --fork fresh hi", "fresh has no conversation yet"),
        ("%claude ask -s fresh --fork main hi", "other settings than --fork"),
        ("%claude ask -s copy --fork main --resume 1234 hi", "two conversations"),
    ],
)
def test_fork_that_makes_no_sense(shell: Any, line: str, complaint: str) -> None:
    """One line says why, and nothing is made or sent."""
    shell.run_cell("%claude ask --quiet hi")
    shell.run_cell("%claude new fresh")

    with pytest.raises(UsageError, match=complaint):
        shell.run_cell(line)

    assert names(shell) == ["main", "fresh"]


@pytest.mark.parametrize("line", ["close nosuch", "stop nosuch", "logs nosuch", "undo nosuch", "close"])
def test_a_session_there_is_none(shell: Any, line: str) -> None:
    """One line that names those there are."""
    shell.run_cell("%claude ask --quiet -s open hi")

    with pytest.raises(UsageError, match=r"There is no session .* Open sessions: 'open'"):
        shell.run_cell(f"%claude {line}")


@pytest.mark.parametrize("line", ["resume", "simulate", "simulate maybe", "simulate on nosuch", "trust nowhere"])
def test_an_argument_that_makes_no_sense(shell: Any, line: str) -> None:
    """One line, and nothing has changed."""
    with pytest.raises(UsageError):
        shell.run_cell(f"%claude {line}")

    assert names(shell) == []
    assert magics_of(shell).simulation.endpoint is None


def test_stop_when_nothing_runs(shell: Any, capsys: Output) -> None:
    """Says so."""
    shell.run_cell("%claude stop")

    assert capsys.readouterr().out == "Nothing was running.\n"


def test_simulate_on_and_off(shell: Any, capsys: Output) -> None:
    """Sessions of the other world are closed, and named."""
    shell.run_cell("%claude ask --quiet -s real hi")
    shell.run_cell("%claude simulate on")
    assert names(shell) == []
    assert magics_of(shell).base_config.simulated is not None
    shell.run_cell("%claude ask --quiet -s pretended hi")
    shell.run_cell("%claude simulate off")

    assert names(shell) == []
    assert magics_of(shell).base_config.simulated is None
    shown = capsys.readouterr().out.splitlines()
    assert "Closed: real (" in shown[0]
    assert "no model is called" in shown[0]
    assert shown[1].startswith("Answers are real from now on. Closed: pretended (")


@pytest.mark.parametrize("line", ["%claude new", f"%claude resume {ID}", "%claude ask --quiet hi"])
def test_the_environments_wish_holds_for_every_new_session(
    shell: Any, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """However the first session is made, with `on` it is simulated."""
    monkeypatch.setenv(VARIABLE, "on")

    shell.run_cell(line)

    assert magics_of(shell).client.get_session("main").config.simulated is not None
    magics_of(shell).simulation.switch_off()


# fix.


def test_fix(shell: Any, prompts: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell, its error and the wish; literal, and nothing filled in."""
    with pytest.raises(ZeroDivisionError):
        shell.run_cell("x = {'@/etc/hostname': 0}\n1 / x['@/etc/hostname']")
    with pytest.raises(UsageError):
        shell.run_cell("%claude nosuch")
    shell.run_cell("%claude fix in one word {x}")

    [[typed, disarmed]] = prompts()
    assert "1 / x['@/etc/hostname']" in typed["text"]
    assert "ZeroDivisionError: division by zero" in typed["text"]
    assert typed["text"].endswith("in one word {x}")
    assert disarmed == {"type": "text", "text": "\n"}


def test_fix_takes_options(shell: Any) -> None:
    """As `ask` does."""
    with pytest.raises(SyntaxError):
        shell.run_cell("1 +")
    shell.run_cell("%claude fix --quiet -o answer")

    assert "SyntaxError" in shell.user_ns["answer"].prompt
    assert "give the corrected cell" in shell.user_ns["answer"].prompt


def test_a_long_traceback_is_cut() -> None:
    """The end of it matters."""
    try:
        raise ValueError("x" * 50_000 + "the end")
    except ValueError as error:
        prompt = fix_prompt(("cell", error), "")

    assert len(prompt) < 8000
    assert "the end" in prompt


# The extension.


def test_loading_does_nothing() -> None:
    """It prints nothing, writes nothing, starts no process and no thread, and imports no pandas."""
    code = (
        "import io, os, sys, threading, contextlib, tempfile\n"
        "home = tempfile.mkdtemp(); os.chdir(home); os.environ.update(HOME=home, IPYTHONDIR=home + '/ipython')\n"
        "from traitlets.config import Config\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell(config=Config({'HistoryManager': {'enabled': False}}))\n"
        "import psutil\nbefore = sorted(os.walk(home)), threading.active_count()\nout = io.StringIO()\n"
        "with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):\n"
        "    shell.run_line_magic('load_ext', 'claude_magic'); shell.run_line_magic('load_ext', 'claude_magic')\n"
        "assert (sorted(os.walk(home)), threading.active_count()) == before\n"
        "assert psutil.Process().children() == []\nassert out.getvalue() in ('', LOADED), out.getvalue()\n"
        "assert not {'pandas', 'matplotlib'} & set(sys.modules)\n"
    )
    loaded = "The claude_magic extension is already loaded. To reload it, use:\n  %reload_ext claude_magic\n"
    done = subprocess.run(
        [sys.executable, "-c", f"LOADED = {loaded!r}\n{code}"], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_loading_imports_little() -> None:
    """What only a prompt or a command needs is imported with the first of them; a shell has some of it already."""
    heavy = (
        "pandas", "numpy", "matplotlib", "markdown_it", "nh3", "pygments", "psutil", "tornado", "docstring_parser",
        "msgspec", "anywidget", "ipywidgets", "sqlite3", "difflib", "claude_magic.client", "claude_magic.rendering",
    )  # fmt: skip
    code = (
        "import sys\nfrom traitlets.config import Config\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell(config=Config({'HistoryManager': {'enabled': False}}))\nbefore = set(sys.modules)\n"
        "shell.run_line_magic('load_ext', 'claude_magic')\nshell.run_cell('1 / 0', silent=True)\n"
        f"print(sorted((sys.modules.keys() - before) & set({heavy})))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_a_failure_before_the_first_prompt_can_be_asked_about(shell: Any, prompts: Prompts) -> None:
    """Also where nothing of Claude was needed before it."""
    with pytest.raises(ZeroDivisionError):
        shell.run_cell("1 / 0")
    shell.run_cell("%claude fix --quiet")

    assert "1 / 0" in str(prompts()[0])


def test_settings_of_the_configuration_file(make_shell: Callable[..., Any], clis: FakeCLIs) -> None:
    """What ipython_config.py says holds from the first session on."""
    shell = make_shell(model="other-model", allowed_tools=["Read"], max_sessions=3, permission_mode="plan")
    shell.run_cell("%claude ask --quiet hi")

    config = magics_of(shell).client.get_session("main").config
    assert (config.model, config.allowed_tools, config.permission_mode) == ("other-model", ("Read",), "plan")


def test_settings_changed_in_a_cell(shell: Any, capsys: Output) -> None:
    """`%config ClaudeMagics` sets them, `%claude config` shows them, and a bad one is refused."""
    shell.run_cell("%config ClaudeMagics.model = 'other-model'")
    shell.run_cell("%config ClaudeMagics.max_sessions = 2")
    shell.run_cell("%claude config")
    shell.run_cell("%claude ask --quiet hi")

    assert "model='other-model'" in capsys.readouterr().out
    assert shell.user_ns["_claude"].session == "main"
    assert magics_of(shell).client.get_session("main").config.model == "other-model"
    assert magics_of(shell).client.pool.max_sessions == 2
    shell.run_cell("%config ClaudeMagics.permission_mode = 'whatever'")
    assert magics_of(shell).settings.permission_mode == "default"


def test_silence_timeout_is_set_for_open_and_new_sessions(shell: Any) -> None:
    """0 is no limit; a session that is open need not begin anew."""
    shell.run_cell("%claude ask --quiet hi")
    shell.run_cell("%config ClaudeMagics.silence_timeout_s = 900")
    shell.run_cell("%claude ask --quiet -s other hi")
    client = magics_of(shell).client

    assert [managed(client.get_session(name)).silence_timeout_s for name in ("main", "other")] == [900, 900]
    shell.run_cell("%config ClaudeMagics.silence_timeout_s = 0")
    shell.run_cell("%claude ask --quiet -s third hi")
    assert [managed(client.get_session(name)).silence_timeout_s for name in ("main", "third")] == [None, None]


def test_nested_loops_need_their_package(
    shell: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the extra, the setting stays off and says what to install."""
    monkeypatch.setitem(sys.modules, "nest_asyncio2", None)

    shell.run_cell("%config ClaudeMagics.nested_loops = True")

    assert "%pip install nest-asyncio2" in caplog.text
    assert magics_of(shell).settings.nested_loops is False


def test_a_setting_that_makes_no_sense(shell: Any) -> None:
    """Is said in one line at the next prompt."""
    shell.run_cell("%config ClaudeMagics.model = ' '")

    with pytest.raises(UsageError, match="model is empty"):
        shell.run_cell("%claude ask hi")


def test_the_clients_own_settings_stay(shell: Any) -> None:
    """What was set by code is not overwritten by defaults of the magics."""
    client = magics_of(shell).client
    client.config = client.config.replace(permission_mode="plan", allowed_tools=["Read"])

    assert magics_of(shell).base_config.permission_mode == "plan"
    assert magics_of(shell).base_config.allowed_tools == ("Read",)


def test_ones_own_ask_stays(shell: Any) -> None:
    """The magics decide about permissions only where nobody else does."""
    client = magics_of(shell).client
    client.ask = decide = lambda request: None

    shell.run_cell("%claude ask --quiet hi")

    assert client.ask is decide


def test_unloading_and_loading_again(shell: Any, clis: FakeCLIs) -> None:
    """Sessions are closed and the magic is gone; loaded again, it is as new and its settings hold."""
    shell.run_cell("%claude ask --quiet hi")
    shell.run_cell("%unload_ext claude_magic")
    assert clis.alive == []
    assert "claude" not in shell.magics_manager.magics["line"]
    assert "claude" not in shell.magics_manager.magics["cell"]

    shell.run_cell("%load_ext claude_magic")
    shell.run_cell("%config ClaudeMagics.model = 'other-model'")
    shell.run_cell("%claude ask --quiet hi")
    assert names(shell) == ["main"]
    assert magics_of(shell).client.get_session("main").config.model == "other-model"


def test_reloading(shell: Any) -> None:
    """One call of each hook is left, not two."""
    shell.run_cell("%reload_ext claude_magic\n%reload_ext claude_magic")
    shell.run_cell("%claude ask --quiet hi")

    hooks = [hook for hook in shell.events.callbacks["post_run_cell"] if "after_cell" in repr(hook)]
    assert len(hooks) == 1
    assert names(shell) == ["main"]


def test_unloading_what_was_never_used(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes no client only to close it."""
    monkeypatch.setattr(blocking, "_client", None)
    threads = threading.active_count()

    shell.run_cell("%unload_ext claude_magic")

    assert blocking._client is None
    assert threading.active_count() == threads


def test_a_working_folder_that_is_gone(shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is one line, as any other mistake."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(UsageError, match="working folder"):
        shell.run_cell("%claude ask hi")

    monkeypatch.chdir(tmp_path)
