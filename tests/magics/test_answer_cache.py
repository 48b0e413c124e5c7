"""Kept answers: the same cell is answered for nothing, and anything else is asked."""

from __future__ import annotations

import gzip
import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeCLIs, FakeTransport, compile_fake, prompt_of

from claude_magic import blocking
from claude_magic.cli.decoder import Decoder
from claude_magic.cli.encoder import decision_line
from claude_magic.config import PoolConfig, SessionConfig
from claude_magic.engine.managed_session import ManagedSession
from claude_magic.engine.session import Session, managed
from claude_magic.magics.answer_cache import AnswerCache, AnswerStore, CachedSession, Chain
from claude_magic.redaction import Redactor
from claude_magic.rendering.footer import SIMULATED, source_note
from claude_magic.response import AnswerSource, Outcome, Response

Output = pytest.CaptureFixture[str]
SECRET = "s3cret-value-123"


async def talk(cli: FakeTransport, message: dict[str, Any]) -> None:
    """Answer with a number that is never the same, and write the session's file as the CLI does."""
    cli.begin(message)
    number = uuid.uuid4().hex
    text, answer_id = f"{prompt_of(message)} {number}", str(uuid.uuid4())
    event = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    cli.say({"type": "stream_event", "event": event, "parent_tool_use_id": None})
    content = {"content": [{"type": "text", "text": text}]}
    cli.say({"type": "assistant", "uuid": answer_id, "message": content, "parent_tool_use_id": None})
    folder = Path(os.environ["CLAUDE_CONFIG_DIR"]) / "projects" / "here"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{cli.session_id}.jsonl").open("a") as file:
        file.write(json.dumps({"uuid": answer_id}) + "\n")
    cli.result(structured_output={"number": number})


@pytest.fixture
def clis() -> FakeCLIs:
    """CLIs that never give the same answer twice."""
    return FakeCLIs(talk)


@pytest.fixture
def restart(
    make_shell: Callable[..., Any], clis: FakeCLIs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Makes a new kernel: another client, another shell, the same disk."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    clients: list[blocking.ClaudeClient] = []

    def begin(config: SessionConfig | None = None, **settings: Any) -> Any:
        clients.append(
            blocking.ClaudeClient(config, start=clis.start, compile=compile_fake, pool=PoolConfig(prewarm=0))
        )
        monkeypatch.setattr(blocking, "_client", clients[-1])
        return make_shell(**settings)

    yield begin
    for client in clients:
        client.close()


def ask(shell: Any, prompt: str, options: str = "--keep") -> Response:
    """Run a cell and return its response."""
    shell.run_cell_magic("claude", options, prompt)
    response: Response = shell.user_ns["_claude"]
    return response


def asked(clis: FakeCLIs) -> list[str]:
    """Every prompt that reached a CLI."""
    return [prompt for cli in clis.started for prompt in cli.prompts]


def test_run_all_again_costs_nothing(restart: Callable[..., Any], clis: FakeCLIs) -> None:
    """After a restart the same cells have the same answers, at no cost, and no CLI is started."""
    shell = restart(keep=True)
    before = [ask(shell, prompt, "") for prompt in ("one", "two", "two")]
    started = len(clis.started)

    shell = restart(keep=True)
    again = [ask(shell, prompt, "") for prompt in ("one", "two", "two")]

    assert [response.text for response in again] == [response.text for response in before]
    assert [response.cost_usd for response in again] == [0.0, 0.0, 0.0]
    assert len({response.text for response in again}) == 3
    assert len(clis.started) == started
    client = shell.magics_manager.registry["ClaudeMagics"].context.client
    assert client.frames.turns().empty


def test_a_kept_answer_says_so(restart: Callable[..., Any], capsys: Output) -> None:
    """With its date; and the cell looks as it did."""
    ask(restart(), "one")
    first = capsys.readouterr().out
    kept = ask(restart(), "one")
    second = capsys.readouterr().out

    assert kept.source is AnswerSource.CACHE
    assert source_note(kept).startswith("kept, $0.00, from 20")
    assert source_note(kept) in second
    assert kept.text in first
    assert kept.text in second
    assert kept._repr_mimebundle_()["text/plain"].count("kept, $0.00") == 1


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        ("other", "--keep"),
        ("one", "--keep -m opus"),
        ("one", "--keep --system Be-brief"),
        ("one", "--keep --effort low"),
        ("one", "--keep --tools Read"),
        ("one", "--keep --permission-mode plan"),
        ("one", "--keep --attach x"),
        ("one", '--keep --schema {"type":"object"}'),
        ("one", "--fresh"),
        ("one", ""),
    ],
)
def test_anything_else_is_asked(restart: Callable[..., Any], clis: FakeCLIs, prompt: str, options: str) -> None:
    """Another prompt, setting or attachment is another question; and nobody gets a kept answer unasked."""
    ask(restart(), "one")
    shell = restart()
    shell.user_ns["x"] = "attached"

    assert ask(shell, prompt, options).source is AnswerSource.MODEL
    assert len(asked(clis)) == 2


def test_a_variable_that_changed_is_another_question(restart: Callable[..., Any]) -> None:
    """What counts is what is sent."""
    shell = restart()
    sources = []
    for value in (1, 2, 1):
        shell.user_ns["x"] = value
        sources.append(ask(shell, "what is {x}", "--keep --new").source)

    assert sources == [AnswerSource.MODEL, AnswerSource.MODEL, AnswerSource.CACHE]


def test_another_conversation_before_is_another_question(restart: Callable[..., Any], clis: FakeCLIs) -> None:
    """Another prompt before, a new answer before, or a prompt that was sent by code."""
    shell = restart()
    ask(shell, "one")
    ask(shell, "two")

    shell = restart()
    ask(shell, "other")
    assert ask(shell, "two").source is AnswerSource.MODEL

    shell = restart()
    ask(shell, "one", "--fresh")
    assert ask(shell, "two").source is AnswerSource.MODEL

    shell = restart()
    client = shell.magics_manager.registry["ClaudeMagics"].context.client
    assert ask(shell, "one").source is AnswerSource.CACHE
    client.execute("main", "by code")
    assert ask(shell, "two").source is AnswerSource.MODEL


def test_fresh_takes_the_place_of_the_kept_one(restart: Callable[..., Any]) -> None:
    """The next run of the cell has the new answer."""
    old = ask(restart(), "one")
    new = ask(restart(), "one", "--fresh")
    kept = ask(restart(), "one")

    assert kept.text == new.text != old.text
    assert kept.source is AnswerSource.CACHE


def test_another_session_shares_what_is_kept(restart: Callable[..., Any]) -> None:
    """The name of a session is no part of the question; the response has the name of the one that was asked."""
    first = ask(restart(), "one", "--keep -s a")
    kept = ask(restart(), "one", "--keep -s b")

    assert (kept.text, kept.session) == (first.text, "b")


def test_the_object_of_a_schema_is_kept(restart: Callable[..., Any]) -> None:
    """`-o` gets it again."""
    options = '--keep -o found --schema {"type":"object"}'
    shell = restart()
    ask(shell, "one", options)
    first = shell.user_ns["found"]
    shell = restart()
    ask(shell, "one", options)

    assert shell.user_ns["found"] == first


def test_what_failed_is_not_kept(restart: Callable[..., Any], clis: FakeCLIs) -> None:
    """It is asked again."""

    async def fail(cli: FakeTransport, message: dict[str, Any]) -> None:
        cli.begin(message)
        cli.result(is_error=True, result="broken")

    clis.behave = fail
    shell = restart()
    with pytest.raises(Exception, match="broken"):
        ask(shell, "one")
    clis.behave = talk

    assert ask(restart(), "one").source is AnswerSource.MODEL


def test_a_conversation_goes_on_after_kept_answers(restart: Callable[..., Any], clis: FakeCLIs, capsys: Output) -> None:
    """The next prompt is sent to a copy of the kept conversation that ends with the last kept answer."""
    shell = restart()
    first = ask(shell, "one")
    ask(shell, "not kept", "")

    shell = restart()
    assert ask(shell, "one").source is AnswerSource.CACHE
    capsys.readouterr()
    later = ask(shell, "later", "")

    assert later.source is AnswerSource.MODEL
    assert "begins anew" not in capsys.readouterr().out
    argv = clis.last.launch.argv
    answer_id = next(message.raw["uuid"] for message in first.messages if message.raw.get("type") == "assistant")
    assert f"--resume={first.session_id}" in argv
    assert f"--resume-session-at={answer_id}" in argv
    assert "--fork-session" in argv
    assert clis.last.prompts == ["later"]


def test_a_conversation_that_the_cli_has_no_longer(
    restart: Callable[..., Any], clis: FakeCLIs, tmp_path: Path, capsys: Output
) -> None:
    """One line says so, the prompt is answered, and its answer is kept for no other conversation."""
    ask(restart(), "one")
    for file in (tmp_path / "claude").rglob("*.jsonl"):
        file.unlink()

    for _ in range(2):
        shell = restart()
        assert ask(shell, "one").source is AnswerSource.CACHE
        capsys.readouterr()
        assert ask(shell, "later").source is AnswerSource.MODEL
        assert capsys.readouterr().out.count("Claude does not know it any more, and begins anew.\n") == 1
        assert not any(argument.startswith("--resume") for argument in clis.last.launch.argv)


def test_nothing_is_kept_of_a_tape(restart: Callable[..., Any], state_folder: Path, tmp_path: Path) -> None:
    """A tape is kept already; nor does a kept answer take its place."""
    shell = restart(history=False)
    shell.run_cell("%claude record on tape.jsonl")
    ask(shell, "one", "")
    shell.run_cell("%claude replay tape.jsonl 0")

    assert ask(shell, "one").source is AnswerSource.RECORDING
    assert not state_folder.exists()


def test_a_secret_is_in_no_kept_run(restart: Callable[..., Any], state_folder: Path) -> None:
    """Not from the prompt, and not from the answer."""
    config = SessionConfig(api_key=SECRET)
    ask(restart(config), f"say {SECRET}")
    kept = ask(restart(config), f"say {SECRET}")

    written = [gzip.decompress(file.read_bytes()) for file in (state_folder / "kept").iterdir()]
    assert len(written) == 1
    assert SECRET.encode() not in written[0]
    assert kept.source is AnswerSource.CACHE
    assert "say [redacted api_key]" in kept.text


def test_a_folder_that_cannot_be_written_is_one_line(
    restart: Callable[..., Any], state_folder: Path, capsys: Output
) -> None:
    """The answer is there all the same."""
    state_folder.write_text("no folder")
    shell = restart(history=False)

    assert ask(shell, "one").text.startswith("one ")
    assert "could not be kept" in capsys.readouterr().out


# The store.


@pytest.fixture
def response() -> Response:
    return Response("the answer", turn_id="1", started=1000.0, cost_usd=0.5, source=AnswerSource.SIMULATOR)


def test_a_run_that_cannot_be_read_is_asked_again(
    tmp_path: Path, response: Response, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut off, empty, or of another version; the log says so."""
    runs = AnswerStore(tmp_path)
    runs.keep("key", response, Redactor())
    path = tmp_path / "key.jsonl.gz"
    whole = path.read_bytes()
    assert runs.find("key") is not None

    for broken in (whole[:20], b"", b"no gzip", gzip.compress(b'{"kept": 99}\n'), gzip.compress(b"[1]\n")):
        path.write_bytes(broken)
        assert runs.find("key") is None
    assert len([record for record in caplog.records if "cannot be read" in record.getMessage()]) == 5


def test_a_simulated_run_stays_one(tmp_path: Path, response: Response) -> None:
    """Kept or not, no model was called."""
    runs = AnswerStore(tmp_path)
    runs.keep("key", response, Redactor())

    run = runs.find("key")
    assert run is not None
    assert run.response == replace(response, cost_usd=0.0, source=AnswerSource.CACHE, cached_source=response.source)
    assert SIMULATED in source_note(run.response)


def test_an_edited_command_stays_one(tmp_path: Path, response: Response) -> None:
    """A kept run knows what ran in place of what was asked about, secrets taken out."""
    line = decision_line("Bash", "toolu_1", True, {"command": f"ls {SECRET}"})
    redactor = Redactor({"api_key": SECRET})
    runs = AnswerStore(tmp_path)
    runs.keep("key", replace(response, messages=tuple(Decoder(redactor).decode([line], 1000.0))), redactor)

    run = runs.find("key")
    assert run is not None
    (decision,) = run.response.messages
    assert (decision.type, decision.edited, decision.tool_input) == (
        "decision", True, {"command": "ls [redacted api_key]"}
    )  # fmt: skip


def test_what_was_not_used_for_long_goes_first(tmp_path: Path, response: Response) -> None:
    """The store has a limit."""
    runs = AnswerStore(tmp_path, most_bytes=0)
    for number in range(3):
        runs.keep(str(number), response, Redactor())
    assert list(tmp_path.iterdir()) == []

    runs = AnswerStore(tmp_path)
    for number in range(3):
        runs.keep(str(number), response, Redactor())
        os.utime(tmp_path / f"{number}.jsonl.gz", (number, number))
    size = (tmp_path / "0.jsonl.gz").stat().st_size
    assert runs.find("0") is not None
    AnswerStore(tmp_path, most_bytes=3 * size + 20).keep("3", response, Redactor())

    assert sorted(file.name[0] for file in tmp_path.iterdir()) == ["0", "2", "3"]


def test_looking_makes_no_folder(tmp_path: Path) -> None:
    """Nothing is written before something is kept."""
    assert AnswerStore(tmp_path / "kept").find("key") is None
    assert not (tmp_path / "kept").exists()


def test_credentials_are_no_part_of_the_question(tmp_path: Path) -> None:
    """Another key, another limit of time: the same answer would come."""
    config = SessionConfig(working_dir=tmp_path)
    chain = Chain("", 0)

    def key(**changes: Any) -> str:
        return chain.key("hello", config.replace(**changes), literal=True, schema=None)

    assert key() == key(api_key="sk-other-key") == key(turn_timeout_s=5.0, workspace_id="mine")
    assert key() != key(model="opus")


def test_an_answer_that_is_told_late_begins_no_chain() -> None:
    """Else the next prompt would be taken for one that follows this answer only."""
    first, second = (Response(text="", outcome=Outcome.SUCCESS, turn_id=str(turn), turn=turn) for turn in (1, 2))

    def key(cached: CachedSession, prompt: str) -> str:
        return cached.check_chain().key(prompt, cached.session.config, literal=False, schema=None)

    short, both = (AnswerCache().get(Session(ManagedSession("main", SessionConfig()))) for _ in range(2))
    short.advance(key(short, "one"), first)
    one = key(both, "one")
    both.under_way.add(one)
    both.advance(key(both, "two"), second)
    both.advance(one, first)
    both.under_way.clear()
    managed(short.session).turns, managed(both.session).turns = 1, 2

    assert key(short, "three") == key(short, "three")
    assert key(both, "three") != key(short, "three")
