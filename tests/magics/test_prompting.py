"""Prompts in a shell: what is sent, what is shown, what is kept; and bad input, which changes nothing."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from fakes import FakeCLIs, FakeTransport, prompt_of
from IPython.core.error import UsageError

from claude_magic.errors import InvalidRequestError, ModelNotFoundError, TurnTimeoutError
from claude_magic.magics.filling import fill, unfilled
from claude_magic.magics.prompting import disarm
from claude_magic.response import Response

Prompts = Callable[[], list[Any]]


def names(shell: Any) -> list[str]:
    client = shell.magics_manager.registry["ClaudeMagics"].context.client
    return [info.name for info in client.list_sessions()]


def shown_error(error: BaseException) -> str:
    """What IPython shows of an error."""
    return "\n".join(error._render_traceback_())  # type: ignore[attr-defined]  # IPython's hook for exceptions


# What is sent.


def test_a_cell(shell: Any, prompts: Prompts, capsys: pytest.CaptureFixture[str]) -> None:
    """The prompt is the cell below its first line; the answer is shown and kept."""
    result = shell.run_cell("%%claude\nhello\n  there\n")

    assert prompts() == ["hello\n  there"]
    assert result.result is None
    assert isinstance(shell.user_ns["_claude"], Response)
    assert shell.user_ns["_claude"].text == "echo: hello\n  there"
    assert "echo: hello\n  there" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "what is $i?",
        "why??",
        'is {"a": 1} valid?',
        "it's \"odd",
        "((( and [",
        "!ls and %time",
        "{{name}} is {nosuch}",
        "$HOME {i",
        "50 % of ; # it",
    ],
)
def test_one_line(shell: Any, text: str) -> None:
    """Arrives as typed; `{{name}}` is the one escape."""
    shell.run_cell("i = 5")
    shell.run_cell(f"%claude ask {text}")

    assert shell.user_ns["_claude"].prompt == text.replace("{{name}}", "{name}")


def test_values_are_filled_in_and_told(shell: Any, prompts: Prompts, capsys: pytest.CaptureFixture[str]) -> None:
    """What was filled in stands above the answer."""
    shell.run_cell("city = 'Bern'")
    shell.run_cell("%%claude\nweather in {city}, {nosuch}, `{city}`")

    assert prompts() == ["weather in Bern, {nosuch}, `{city}`"]
    assert "filled in: {city} = Bern" in capsys.readouterr().out


def test_a_misspelt_variable_is_told(shell: Any, prompts: Prompts, capsys: pytest.CaptureFixture[str]) -> None:
    """The cell names it once, with what was meant; the brace stays as typed. A dry run says it too."""
    shell.run_cell("sales = 3\n_private = 4")
    told = "left as typed: {slaes} (there is no slaes; did you mean sales?)\n"

    shell.run_cell("%%claude\n{slaes} and {slaes}, {sales}")
    assert prompts() == ["{slaes} and {slaes}, 3"]
    assert capsys.readouterr().out.count(told) == 1
    shell.run_cell("%%claude --dry-run\n{slaes}")
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{privat}", "there is no variable privat"),
        ("{exitt}", "there is no variable exitt"),
        ("{len(sales)}", "calls are not filled in"),
    ],
)
def test_what_stays_as_typed_is_told(shell: Any, text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Private names and IPython's own are never what was meant."""
    shell.run_cell("sales = 3\n_private = 4")

    shell.run_cell(f"%%claude\n{text}")

    out = capsys.readouterr().out
    assert f"left as typed: {text} ({told}" in out
    assert "did you mean" not in out


@pytest.mark.parametrize("text", ["{x}", "`{slaes}`", "{{slaes}}", '{"slaes": 1}', "\\\\frac{slaes}{b}"])
def test_a_brace_that_is_something_else_is_not_told(shell: Any, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Code, escaped braces and other languages are left alone without a word."""
    shell.run_cell("sales = 3")

    shell.run_cell(f"%%claude\n{text}")

    assert "left as typed" not in capsys.readouterr().out


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems(shell: Any, prompts: Prompts, end: str) -> None:
    """A cell from Windows is filled in as any other, also after a code fence."""
    shell.run_cell("city = 'Bern'")
    shell.run_cell("%%claude\nUse this:\n```python\nx = 1\n```\nfor {city}\n".replace("\n", end))

    assert prompts() == ["Use this:\n```python\nx = 1\n```\nfor Bern"]


_IN_A_FUNCTION = """
q = "GLOBAL"
def ask(q, data):
    {call}
ask("LOCAL", "text of the function")
"""


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        ("%claude ask about {q}", "about LOCAL"),
        ("get_ipython().run_cell_magic('claude', '', 'about {q}')", "about LOCAL"),
        ("[get_ipython().run_line_magic('claude', 'ask about {q}, {i}') for i in range(1)]", "about LOCAL, 0"),
        ("%claude ask --attach data -- about {q}", "about LOCAL"),
    ],
)
def test_in_a_function_its_variables_win(shell: Any, clis: FakeCLIs, call: str, sent: str) -> None:
    """As Python would see them there: parameters too, and for what is attached."""
    shell.run_cell(_IN_A_FUNCTION.replace("{call}", call))

    texts = str([message for cli in clis.started for message in cli.sent if message["type"] == "user"])
    assert sent in texts
    assert "GLOBAL" not in texts
    assert ("text of the function" in texts) is ("--attach" in call)


def test_names_in_options_are_filled_in(shell: Any, clis: FakeCLIs) -> None:
    """A session for each round of a loop, not one of a literal name; sub-commands the same."""
    shell.run_cell("for i in range(2):\n    %claude ask -s s{i} hello\n%claude close s{i}")

    assert names(shell) == ["s0"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-s s{nosuch}", "-s s{nosuch}: left as typed: {nosuch} (there is no variable nosuch)"),
        ("-s s{len(city)}", "calls are not filled in"),
        ("-m {lines}", "-m {lines}: the value has several lines"),
        ("-o r{city}", "'r{city}' is not a name for a variable"),
        ("--allow {city}", "--allow {city}: nothing is filled in there"),
        ("--cwd {city.nosuch}", "{city.nosuch} has no value"),
    ],
)
def test_a_name_in_an_option_that_cannot_be_filled_in(shell: Any, prompts: Prompts, line: str, words: str) -> None:
    """Is a mistake before anything is sent."""
    shell.run_cell("city = 'Bern'\nlines = 'a\\nb'")
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        shell.run_cell(f"%%claude {line}\nhello")

    assert "Nothing was sent." in str(caught.value)
    assert prompts() == []


def test_raw_options_stay_as_typed(shell: Any) -> None:
    """As the prompt does."""
    shell.run_cell("i = 1\n%claude ask --raw -s s{i} hello")

    assert names(shell) == ["s{i}"]


_HINT = "Claude can look at df in this kernel; {df} or --attach would send it along\n"
_HINT_WITHOUT_KERNEL = "df is a DataFrame of this kernel, which Claude cannot see: write {df}, or use --attach df\n"


@pytest.mark.parametrize(
    ("cell", "is_told"),
    [
        ("%%claude -s {s}\nWhich month is best in df?", True),
        ("%%claude -s {s}\nWhich month is best in `df`?", True),
        ("%%claude -s {s} --dry-run\ndf: which month is best?", True),
        ("%%claude -s {s}\nWhich month is best in {{df}}? df is long", False),
        ("%%claude -s {s} --attach df\nWhich month is best in df?", False),
        ("%%claude -s {s} --attach df.head(3)\nWhich month is best in df?", False),
        ("%%claude -s {s}\nWhat does the command df(1) do, and x.df?", False),
        ("%%claude -s {s} --raw\nWhich month is best in df?", False),
    ],
)
def test_a_table_in_plain_words_is_told(
    shell: Any, cell: str, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what Claude knows of the DataFrame and how it would get all of it, once in a conversation."""
    shell.run_cell("import pandas as pd\ndf = pd.DataFrame({'month': ['Jan']})\na = df")
    for _ in range(2):
        shell.run_cell(cell.replace("{s}", "one").replace("{{df}}", "{df}"))
    shell.run_cell("%%claude -s one --new\na list of df")

    out = capsys.readouterr().out
    assert out.count(_HINT) == (1 + is_told + ("--dry-run" in cell))


def test_a_table_that_claude_cannot_see_is_told(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the kernel, Claude works in a process of its own."""
    shell.run_cell("import pandas as pd\ndf = pd.DataFrame({'month': ['Jan']})")
    shell.run_cell("%%claude --kernel off\nWhich month is best in df?")

    assert _HINT_WITHOUT_KERNEL in capsys.readouterr().out


def test_a_prompt_on_the_first_line(shell: Any, prompts: Prompts, capsys: pytest.CaptureFixture[str]) -> None:
    """Is one, with its options before it; the cell says where a longer one goes."""
    shell.run_cell("%%claude -s short What is 2+2?")

    assert prompts() == ["What is 2+2?"]
    assert names(shell) == ["short"]
    assert "a longer one goes below it" in capsys.readouterr().out
    with pytest.raises(UsageError, match="no prompt; write it below the first line"):
        shell.run_cell("%%claude -s short")


@pytest.mark.parametrize("before", ["", "%claude new s\n"])
def test_a_mode_that_an_open_session_cannot_take(shell: Any, prompts: Prompts, before: str) -> None:
    """The CLI takes it at its start only: the refusal names the ways on, and they work."""
    shell.run_cell(before + "%claude ask -s s hello")
    with pytest.raises(UsageError, match=r"bypassPermissions: use -s NAME for a new session, or --new"):
        shell.run_cell("%%claude -s s --permission-mode bypassPermissions\nhi")
    shell.run_cell("%%claude -s s --new --permission-mode bypassPermissions\nagain")
    shell.run_cell("%%claude -s s --permission-mode bypassPermissions\nonce more")

    assert prompts() == ["hello", "again", "once more"]


def test_code_without_its_secret_says_so(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It would not run as it stands."""
    told = "The code was changed: it says [redacted NAME] in place of the value of api_key.\n"
    client = shell.magics_manager.registry["ClaudeMagics"].context.client
    client.config = client.config.replace(api_key="sk-live-7f3a9c2e41d84b6f")
    shell.run_cell("%%claude --raw\nx\n```python\nkey = 'sk-live-7f3a9c2e41d84b6f'\n```")
    assert shell.user_ns["_claude"].code[0].text.strip() == "key = '[redacted api_key]'"
    assert capsys.readouterr().out.count(told) == 1
    shell.run_cell("%%claude --raw\nx\n```python\nurl = 'postgresql://localhost/db'\n```")
    assert shell.user_ns["_claude"].code[0].text.strip() == "url = 'postgresql://localhost/db'"
    assert told not in capsys.readouterr().out


def test_raw(shell: Any, prompts: Prompts) -> None:
    """Nothing is filled in, no brace is touched."""
    shell.run_cell("city = 'Bern'")
    shell.run_cell("%%claude --raw\n{city} {{city}}")

    assert prompts() == ["{city} {{city}}"]


def test_attached_values_come_first(shell: Any, prompts: Prompts) -> None:
    """Then the typed text, as the last block."""
    shell.run_cell("a, b = {'k': [1, 2]}, 'text'")
    shell.run_cell('%%claude --attach a["k"] b\nwhat is this?')

    [blocks] = prompts()
    assert [block["type"] for block in blocks] == ["text"] * 3
    assert 'Attached `a["k"]` (list)' in blocks[0]["text"]
    assert blocks[-1]["text"] == "what is this?"


def test_what_is_attached_is_told(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what goes along, also before anything is sent."""
    shell.run_cell("import pandas as pd\nfrom pathlib import Path\nPath('n.txt').write_text('n')")
    shell.run_cell("sales, a = pd.DataFrame({'x': range(12)}), {'k': [1, 2]}")
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (2, 2)).save(buffer, format="PNG")
    shell.user_ns["picture"] = buffer.getvalue()
    told = (
        "attached: sales (table, 12 rows), sales['x'] (series, 12 rows), a[\"k\"] (list), Path('n.txt') (file), "
        "'text' (text, 4 characters), picture (picture)\n"
    )
    capsys.readouterr()

    for dry_run in ("", "--dry-run"):
        attached = "sales sales['x'] a[\"k\"] Path('n.txt') \"'text'\" picture"
        shell.run_cell(f"%%claude {dry_run} --attach {attached}\nwhat is this?")
        assert capsys.readouterr().out.count(told) == 1


@pytest.mark.parametrize(
    ("template", "values", "literal", "texts"),
    [
        ("plain {a}", {"a": "x"}, False, ["plain x"]),
        ("typed @file.py", {}, False, ["typed @file.py"]),
        ("/cost", {}, False, ["/cost"]),
        ("/review {a}", {"a": "main"}, False, ["/review main"]),
        ("see {a}", {"a": "@/etc/hostname"}, True, ["see @/etc/hostname"]),
        ("see {a}", {"a": "me@example.org"}, True, ["see me@example.org"]),
        ("{a} now", {"a": "/cost"}, True, ["/cost now"]),
        ("{a}", {"a": "  \n/cost"}, True, ["  \n/cost"]),
        ("/{a}", {"a": "cost"}, False, ["{a} is:\n\ncost", "/{a}"]),
        ("@file.py {a}", {"a": "@/etc/hostname"}, False, ["{a} is:\n\n@/etc/hostname", "@file.py {a}"]),
        ("@{a}", {"a": "/etc/hostname"}, False, ["{a} is:\n\n/etc/hostname", "@{a}"]),
        ('@"{a}"', {"a": "/etc/hostname"}, False, ["{a} is:\n\n/etc/hostname", '@"{a}"']),
        ("/x {a} {{b}}", {"a": "@y"}, False, ["{a} is:\n\n@y", "/x {a} {b}"]),
        ("a @{{x}}{a}", {"a": "b"}, False, ["{a} is:\n\nb", "a @{x}{a}"]),
    ],
)
def test_values_cannot_run_or_read(template: str, values: dict[str, str], literal: bool, texts: list[str]) -> None:
    """A `/command` or `@path` works where it was typed, and in no other place."""
    assert disarm(fill(template, values)) == (literal, [{"type": "text", "text": text} for text in texts])


def test_raw_text_is_typed_text() -> None:
    """With `--raw` all of it was typed."""
    assert disarm(unfilled("/x @y")) == (False, [{"type": "text", "text": "/x @y"}])


def test_dry_run(shell: Any, clis: FakeCLIs, capsys: pytest.CaptureFixture[str]) -> None:
    """All that would be sent is shown; no process starts, no session is made, nothing is kept."""
    shell.run_cell("city, x = 'Bern', 1")
    shell.run_cell("%%claude --dry-run -m haiku -s new -o x --attach city --system short\nweather in {city}?")

    shown = capsys.readouterr().out
    for words in (
        "Nothing was sent",
        "new (new)",
        "haiku",
        "filled in: {city} = Bern",
        "weather in Bern?",
        "Attached `city`",
    ):
        assert words in shown
    assert clis.started == []
    assert names(shell) == []
    assert shell.user_ns["x"] == 1
    assert "_claude" not in shell.user_ns


def test_quiet(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is shown; the response is there."""
    shell.run_cell("a = 1\n%claude ask --quiet -o answer hi {a}")

    assert capsys.readouterr().out == ""
    assert shell.user_ns["answer"].text == "echo: hi 1"


# Which session.


def test_sessions_by_name(shell: Any, clis: FakeCLIs) -> None:
    """`main` unless told otherwise; a name that is new makes one; --new begins anew."""
    for line in ("", "-s other", "", "--new"):
        shell.run_cell(f"%%claude {line}\nhi")

    assert names(shell) == ["other", "main"]
    assert len(clis.started) == 3


def test_a_model_for_one_prompt(shell: Any, clis: FakeCLIs) -> None:
    """In an open session, -m counts once; a new session keeps it."""
    shell.run_cell("%%claude\nhi")
    shell.run_cell("%%claude -m other-model\nhi")
    shell.run_cell("%%claude\nhi")

    asked = [message["request"].get("model") for message in clis.started[0].sent if _is(message, "set_model")]
    assert asked == ["other-model", None]


def _is(message: dict[str, Any], subtype: str) -> bool:
    return bool(message["type"] == "control_request" and message["request"]["subtype"] == subtype)


@pytest.mark.parametrize(
    "option",
    [
        "--system other",
        "--effort low",
        "--tools Read",
        "--allow Read",
        "--max-turns 2",
        "--budget 2",
        "--cwd .",
        "--resume 11111111-1111-4111-8111-111111111111",
    ],
)
def test_an_open_session_with_other_settings(shell: Any, prompts: Prompts, tmp_path: Any, option: str) -> None:
    """What only a new process can take is a mistake in an open session, also if it is the default."""
    (tmp_path / "elsewhere").mkdir()
    shell.run_cell("%%claude -s s --cwd elsewhere --system short\nhi")

    with pytest.raises(UsageError, match=option.split()[0]) as caught:
        shell.run_cell(f"%%claude -s s {option}\nagain")

    assert "--new" in str(caught.value)
    assert prompts() == ["hi"]
    shell.run_cell("%%claude -s s --cwd elsewhere --system short\nagain")
    assert prompts() == ["hi", "again"]


def test_what_is_no_schema_is_said_once(shell: Any) -> None:
    """One line: what is wrong, what there is instead, and that nothing was sent."""
    shell.run_cell("sales = [1]")

    with pytest.raises(UsageError) as caught:
        shell.run_cell("%claude ask --schema sales hi")
    assert str(caught.value) == (
        "--schema sales: neither a JSON Schema, a pydantic model, nor a dataclass; "
        "`--schema table` asks for a DataFrame. Nothing was sent."
    )
    with pytest.raises(UsageError) as caught:
        shell.run_cell("%claude ask --schema {]} hi")
    assert str(caught.value).count("--schema") == str(caught.value).count("Nothing was sent.") == 1


def test_another_conversation_in_an_open_session(shell: Any, prompts: Prompts) -> None:
    """Says the two ways there are."""
    shell.run_cell("%claude ask hi")
    wanted = "11111111-1111-4111-8111-111111111111"

    with pytest.raises(UsageError, match=rf"go on with --resume {wanted}, .*\(-s NAME\), .*\(--new\)"):
        shell.run_cell(f"%claude ask --resume {wanted} hi")
    assert prompts() == ["hi"]


# Bad input.

BAD = [
    ("--nope", "hi", "unrecognized option --nope"),
    ("-o 1x", "hi", "'1x' is not a name"),
    ("--max-turns -1", "hi", "not a whole number"),
    ("--budget -0.5", "hi", "not a number above 0"),
    ("--timeout 0", "hi", "not a number above 0"),
    ("--effort most", "hi", "'most'"),
    ("--permission-mode any", "hi", "'any'"),
    ("--cwd nowhere", "hi", "%%claude: --cwd is not a directory: '"),
    ("--schema nosuch", "hi", "NameError"),
    ("--schema '{\"a\": '", "hi", "not valid JSON"),
    ("--schema x", "hi", "neither a JSON Schema"),
    ("--schema bad_model", "hi", "RuntimeError: no schema"),
    ("--attach nosuch", "hi", "NameError: name 'nosuch'"),
    ("--attach 1+", "hi", "SyntaxError"),
    ("--attach shy", "hi", "OSError: no words"),
    ("", "   \n  ", "no prompt"),
    ("what is this", "hi", "stands among the options"),
    ("", "{thing[0]}", "KeyError"),
    ("", "{shy}", "OSError: no words"),
]


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize(("options", "prompt", "words"), BAD)
def test_bad_input(
    shell: Any, prompts: Prompts, tmp_path: Any, options: str, prompt: str, words: str, is_open: bool
) -> None:
    """One line that says what is wrong; nothing is sent, made, closed or overwritten."""
    shell.run_cell(
        "x, kept, thing = 1, 'kept', {}\nclass Shy:\n    def __str__(self): raise OSError('no words')\nshy = Shy()\n"
        "class bad_model:\n    @staticmethod\n    def model_json_schema(): raise RuntimeError('no schema')"
    )
    if is_open:
        shell.run_cell("%%claude\nfirst")
    before = (names(shell), prompts(), shell.user_ns.get("_claude"))

    with pytest.raises(UsageError) as caught:
        shell.run_cell(f"%%claude --new -o kept {options}\n{prompt}")

    assert words in str(caught.value)
    assert "\n" not in str(caught.value).strip()
    assert (names(shell), prompts(), shell.user_ns.get("_claude")) == before
    assert shell.user_ns["kept"] == "kept"


# How it ends.


def test_a_schema_fills_the_variable(shell: Any, clis: FakeCLIs) -> None:
    """A table, a dataclass, a pydantic model, JSON text."""
    answers: list[Any] = [
        {"records": [{"m": "Jan", "n": 1}, {"m": "Feb", "n": 2}]}, {"x": 1.5}, {"x": 2.5}, {"any": 1}, {"any": 2},
    ]  # fmt: skip

    async def answer(cli: FakeTransport, message: dict[str, Any]) -> None:
        await cli.answer(message, "Done.", structured_output=answers.pop(0))

    clis.behave = answer
    shell.run_cell(
        "import dataclasses, pydantic\n@dataclasses.dataclass\nclass P:\n    x: float\n"
        "class M(pydantic.BaseModel):\n    x: float\nschema = {'type': 'object'}"
    )
    shown = [
        shell.run_cell(f"%claude ask --schema {schema} -o got go") and shell.user_ns["got"]
        for schema in ("table", "P", "M", "schema", '{"type": "object"}')
    ]

    assert shown[0].to_dict("list") == {"m": ["Jan", "Feb"], "n": [1, 2]}
    assert shown[1] == shell.user_ns["P"](1.5)
    assert shown[2] == shell.user_ns["M"](x=2.5)
    assert shown[3:] == [{"any": 1}, {"any": 2}]


@pytest.mark.parametrize("schema", ["table", "schema", "P"])
@pytest.mark.parametrize("ending", [{"subtype": "error_max_turns"}, {"subtype": "error_max_budget_usd"}])
def test_a_turn_without_its_object(shell: Any, clis: FakeCLIs, schema: str, ending: dict[str, str]) -> None:
    """A turn that ended early overwrites nothing, and says so."""

    async def answer(cli: FakeTransport, message: dict[str, Any]) -> None:
        await cli.answer(message, "Half.", is_error=True, **ending)

    clis.behave = answer
    shell.run_cell(
        "import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: float\nschema, got = {'type': 'object'}, 1"
    )

    with pytest.raises(UsageError, match="brought no object"):
        shell.run_cell(f"%claude ask --schema {schema} -o got go")

    assert shell.user_ns["got"] == 1
    assert shell.user_ns["_claude"].text == "Half."


def test_an_object_that_does_not_fit(shell: Any, clis: FakeCLIs) -> None:
    """The variable is not overwritten; the object can still be had."""

    async def answer(cli: FakeTransport, message: dict[str, Any]) -> None:
        await cli.answer(message, "Done.", structured_output={"y": 1})

    clis.behave = answer
    shell.run_cell("import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: float\ngot = 1")

    with pytest.raises(UsageError, match=r"_claude\.structured"):
        shell.run_cell("%claude ask --schema P -o got go")

    assert shell.user_ns["got"] == 1
    assert shell.user_ns["_claude"].structured == {"y": 1}


async def refuse(cli: FakeTransport, message: dict[str, Any]) -> None:
    await cli.answer(message, is_error=True, result="model: nosuch", api_error_status=404)


def test_a_model_that_is_refused(shell: Any, clis: FakeCLIs) -> None:
    """The models on offer are named; a session that was made for it is not left behind."""
    clis.behave = refuse

    with pytest.raises(ModelNotFoundError) as caught:
        shell.run_cell("x = 1\n%claude ask -m nosuch -s new -o x hi")

    assert "Models on offer: fake-model, other-model." in shown_error(caught.value)
    assert "Traceback" not in shown_error(caught.value)
    assert names(shell) == []
    assert shell.user_ns["x"] == 1


def test_a_model_that_is_refused_in_an_open_session(shell: Any, clis: FakeCLIs) -> None:
    """The session stays, with the model it had."""
    shell.run_cell("%claude ask hi")
    clis.started[0].behave = refuse

    with pytest.raises(ModelNotFoundError):
        shell.run_cell("%claude ask -m nosuch hi")

    assert names(shell) == ["main"]


def test_an_error_is_one_block(shell: Any, clis: FakeCLIs, capsys: pytest.CaptureFixture[str]) -> None:
    """Type, message and advice, with no line of our code; what there was is kept."""

    async def fail(cli: FakeTransport, message: dict[str, Any]) -> None:
        await cli.answer(message, "Half.", is_error=True, result="API Error: bad", api_error_status=400)

    clis.behave = fail
    with pytest.raises(InvalidRequestError) as caught:
        shell.run_cell("kept = 1\n%claude ask -o kept hi")

    assert shown_error(caught.value).startswith("InvalidRequestError: The service refused the request (HTTP 400): bad.")
    assert "File " not in shown_error(caught.value)
    assert shell.user_ns["kept"] == 1
    assert shell.user_ns["_claude"].text == "Half."
    assert "Half." in capsys.readouterr().out


def test_a_time_out(shell: Any, clis: FakeCLIs, capsys: pytest.CaptureFixture[str]) -> None:
    """--timeout ends the turn as an error, and the session goes on."""

    async def dawdle(cli: FakeTransport, message: dict[str, Any]) -> None:
        if prompt_of(message) == "wait":
            cli.begin(message)
            cli.text("so far")
            await cli.until_interrupted()
        else:
            await cli.answer(message, "here")

    clis.behave = dawdle
    with pytest.raises(TurnTimeoutError) as caught:
        shell.run_cell("%claude ask --timeout 0.05 wait")
    told = capsys.readouterr().out
    ending = (
        "TurnTimeoutError: Stopped after 0.05 s, the limit of this prompt.\nThe text is kept: prompt again to go on."
    )
    assert ending in told
    assert told.count("Stopped after") == 1
    assert shown_error(caught.value).startswith("TurnTimeoutError: Stopped after 0.05 s")

    assert shell.user_ns["_claude"].text == "so far"
    shell.run_cell("%claude ask go on")
    assert shell.user_ns["_claude"].text == "here"
    assert len(clis.started) == 1


def test_stopped(shell: Any, clis: FakeCLIs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn ends, its text is kept, the cell raises, and the next prompt goes to the same process."""
    stop = asyncio.Event()

    async def wait(cli: FakeTransport, message: dict[str, Any]) -> None:
        if prompt_of(message) == "wait":
            cli.begin(message)
            cli.text("so far")
            stop.set()
            await cli.until_interrupted()
        else:
            await cli.answer(message, "here")

    clis.behave = wait
    from claude_magic.display.turn_display import TerminalDisplay

    def interrupt(self: Any) -> None:
        if stop.is_set():
            stop.clear()
            raise KeyboardInterrupt

    monkeypatch.setattr(TerminalDisplay, "refresh", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        shell.run_cell("kept = 1\n%claude ask -o kept wait")

    assert shown_error(caught.value) == (
        "KeyboardInterrupt: stopped; the text is kept and the session goes on with the next prompt"
    )
    assert shell.user_ns["kept"] == 1
    assert shell.user_ns["_claude"].text == "so far"
    shell.run_cell("%claude ask go on")
    assert shell.user_ns["_claude"].text == "here"
    assert len(clis.started) == 1


def test_stopped_before_anything_began(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also then there is no traceback of ours."""

    def interrupt(account: Any) -> str:
        raise KeyboardInterrupt

    magics = shell.magics_manager.registry["ClaudeMagics"]
    monkeypatch.setattr(magics.context.simulation, "decide", interrupt)

    with pytest.raises(KeyboardInterrupt) as caught:
        shell.run_cell("%claude ask hi")

    assert shown_error(caught.value) == "KeyboardInterrupt: stopped."
    assert names(shell) == []


@pytest.mark.parametrize(("edited", "told"), [("open.ipynb", True), ("other.ipynb", False)])
def test_change_of_the_open_notebook_is_told(
    shell: Any,
    clis: FakeCLIs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    edited: str,
    told: bool,
) -> None:
    """Its page still shows what was there before, and would save that."""
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "open.ipynb"))

    async def edit(cli: Any, message: dict[str, Any]) -> None:
        given = {"notebook_path": edited, "new_source": "x"}
        use = {"type": "tool_use", "id": "t1", "name": "NotebookEdit", "input": given}
        done = {"type": "tool_result", "tool_use_id": "t1", "content": "Inserted"}
        cli.begin(message)
        cli.say({"type": "assistant", "message": {"role": "assistant", "content": [use]}})
        cli.say({"type": "user", "message": {"role": "user", "content": [done]}})
        cli.text("Added.")
        cli.result()

    clis.behave = edit
    shell.run_cell("%claude ask add a cell")

    assert ("Reload Notebook from Disk" in capsys.readouterr().out) is told
