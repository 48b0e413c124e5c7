"""Make the session files that `notebooks/session_history.ipynb` reads, with real CLIs and simulated answers.

    python tests/make_session_files.py notebooks/data/session_files CLI [OLDER_CLI]

A fortnight of two small projects: prompts, tools that work and tools that fail, subagents, a resumed, a forked and a
compacted session. The CLIs run the tools for real; the words and the token counts are the simulator's. Afterwards

- the folders of this machine become `/home/you/...`,
- each session is moved to a working day of its own (all were made within minutes),
- long texts that are the CLI's own (prompts, tool descriptions, lists of skills) are left out: they are not ours, and
  the files stay small.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from claude_magic.simulator import Pace, Rule, Scenario, Simulator, Step, Usage, rule, step, text, thinking
from claude_magic.simulator import tool as use

HOME = "/home/you"
LONGEST_TEXT = 300
_OWN_TEXTS = {"attachment", "api-request", "api-request-shape", "api-request-blob"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_OPUS, _SONNET, _HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"


@dataclass(frozen=True)
class Script:
    """One session.

    Attributes:
        project: name of its folder.
        starts: the moment its first record is moved to.
        prompts: what is asked, each by a process of its own that resumes the session.
        model: which model is named.
        older: made with the older CLI, where there is one.
        forks: number of the script whose session it forks; `None` is a new one.
    """

    project: str
    starts: datetime
    prompts: Sequence[str]
    model: str
    older: bool = False
    forks: int | None = None
    id: list[str] = field(default_factory=list)


def _day(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


SCRIPTS = (
    Script("sales-report", _day(2, 9, 12), ["What is in sales.csv?", "Total the sales by month.", "Plot the months."],
           "claude-opus-4-8", older=True),
    Script("sales-report", _day(3, 14, 3), ["Check the numbers against finance.xlsx.", "Try the CSV that they sent.",
           "Have an agent look for duplicates."], "claude-opus-4-8", older=True),
    Script("churn-model", _day(4, 10, 40), ["Train a first model.", "Why is it so slow?"], "claude-haiku-4-5",
           older=True),
    Script("sales-report", _day(6, 9, 30), ["Plot the quarters instead."], "claude-opus-4-8", older=True, forks=0),
    Script("churn-model", _day(9, 11, 5), ["Train it on the whole table.", "Have an agent look for duplicates.",
           "Write the report."], _OPUS),
    Script("churn-model", _day(11, 16, 20), ["Run the tests.", "Run the tests again."], _SONNET),
    Script("sales-report", _day(12, 8, 55), ["Total the sales by month.", "/compact", "Write the report."],
           "claude-opus-4-8", older=True),
    Script("sales-report", _day(13, 15, 10), ["What is in sales.csv?"], _HAIKU),
)  # fmt: skip

SALES = "date,region,amount\n" + "".join(
    f"2026-{month:02d}-{day:02d},{region},{month * day % 97 * 10}\n"
    for month in range(1, 11) for day in (3, 17) for region in ("north", "south")
)  # fmt: skip


def call(seconds: float, *blocks: Any, read: int = 0, wrote: int = 0, new: int = 40, out: int = 150) -> Step:
    """One API call of the story: how long it takes, what it says, and the tokens it reports."""
    usage = Usage(new, out, cache_read_input_tokens=read, cache_creation_input_tokens=wrote)
    made = step(*blocks, usage=usage)
    return Step(made.blocks, usage=usage, delay_s=seconds)


def bash(command: str) -> Any:
    return use("Bash", command=command, description="Work with the data")


def python(code: str) -> Any:
    return bash(f"{Path(sys.executable).name} -I -S -c {json.dumps(code)}")


def rules(work: Path) -> Iterator[Rule]:
    """Yield what is answered; `work` is the folder that the tools are called with."""
    slow = "import time; time.sleep({seconds}); print('{says}')"
    yield rule(
        "what is in sales.csv",
        call(0.6, thinking("A look at the head is enough."), use("Read", file_path=f"{work}/sales.csv"),
             read=9_000, wrote=4_200),
        call(0.9, text("Two sales a month for two regions: `date`, `region`, `amount`."), read=13_200, wrote=900),
    )  # fmt: skip
    yield rule(
        "total the sales by month",
        call(0.5, bash("cut -d, -f1,3 sales.csv | head -5"), read=13_800, wrote=600),
        call(0.4, python(slow.format(seconds=0.4, says="10 months")), read=14_400, wrote=350, out=320),
        call(0.8, text("| month | amount |\n|---|---|\n| 2026-01 | 400 |\n| 2026-02 | 800 |\n\nThe best is October."),
             read=14_900, wrote=420, out=480),
    )  # fmt: skip
    yield rule(
        "plot the (months|quarters)",
        call(0.5, python("import matplotlib.no_such_part"), read=15_200, wrote=380),
        call(0.7, thinking("Not installed here: an SVG by hand will do."), use(
            "Write", file_path=f"{work}/plot.svg", content="<svg xmlns='http://www.w3.org/2000/svg'/>"),
            read=15_600, wrote=300, out=700),
        call(0.4, text("The plot is in `plot.svg`."), read=16_600, wrote=240),
    )  # fmt: skip
    yield rule(
        "finance.xlsx",
        call(0.4, use("Read", file_path=f"{work}/finance.xlsx"), read=9_000, wrote=4_300),
        call(0.4, bash("ls *.xlsx"), read=13_400, wrote=200),
        call(0.5, text("There is no `finance.xlsx` in this folder."), read=13_700, wrote=160),
    )  # fmt: skip
    yield rule(
        "the csv that they sent",
        call(0.3, use("Read", file_path=f"{work}/finance.csv"), read=13_900, wrote=220),
        call(0.6, bash("grep -c north finance.csv"), read=14_200, wrote=180),
        call(0.5, text("It is not here either; please put it beside `sales.csv`."), read=14_500, wrote=150),
    )  # fmt: skip
    yield rule(
        "have an agent look for duplicates",
        call(0.4, use("Agent", description="Look for duplicates", subagent_type="general-purpose",
             prompt="Count the repeated rows of the table.", run_in_background=False), read=14_800, wrote=260, out=240),
        call(0.6, text("The agent found no repeated rows."), read=15_400, wrote=380),
    )  # fmt: skip
    yield rule(
        "count the repeated rows",
        call(0.3, bash("sort sales.csv | uniq -d | wc -l"), wrote=6_800, new=900),
        call(0.3, python(slow.format(seconds=0.8, says="no repeated rows")), read=6_800, wrote=500),
        call(0.4, text("No row is repeated."), read=7_300, wrote=120),
    )  # fmt: skip
    yield rule(
        "train a first model|train it on the whole table",
        call(0.9, thinking("A baseline first."), use("Write", file_path=f"{work}/train.py", content="print('fit')\n"),
             read=10_200, wrote=5_100, out=900),
        call(0.5, python(slow.format(seconds=2.2, says="accuracy 0.81")), read=15_300, wrote=700),
        call(0.7, text("The baseline is right in 81 of 100 cases."), read=16_000, wrote=300),
    )  # fmt: skip
    yield rule("why is it so slow", call(0.9, text("It reads the table again in every fold."), read=16_400, wrote=350))
    yield rule(
        "run the tests",
        call(0.4, python(slow.format(seconds=1.1, says="1 failed") + "; raise SystemExit(1)"),
             read=10_900, wrote=4_000),
        call(0.5, use("Edit", file_path=f"{work}/model.py", old_string="split=0.5", new_string="split=0.2"),
             read=14_900, wrote=260),
        call(0.3, text("One test still fails: `split` is not where I looked for it."), read=15_300, wrote=210),
    )  # fmt: skip
    yield rule(
        "write the report",
        call(1.2, use("Write", file_path=f"{work}/report.md", content="# Report\n\nOctober was best.\n"),
             read=16_300, wrote=420, out=1_500),
        call(0.6, text("The report is in `report.md`."), read=18_000, wrote=1_600),
    )  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Make the files; the arguments are the folder and one or two CLIs."""
    target, *clis = (Path(word).absolute() for word in argv)
    if not clis:
        sys.stderr.write(__doc__ or "")
        return 2
    with tempfile.TemporaryDirectory(prefix="session-files-", ignore_cleanup_errors=True) as folder:
        home = Path(folder).resolve()
        record(home, clis)
        shutil.rmtree(target, ignore_errors=True)
        keep(home, target)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    sys.stdout.write(f"{target.name}: {size / 1000:.0f} kB\n")
    return 0


def record(home: Path, clis: Sequence[Path]) -> None:
    """Run all scripts with `home` as the user's home."""
    for script in SCRIPTS:
        work = home / script.project
        work.mkdir(exist_ok=True)
        (work / "sales.csv").write_text(SALES)
        (work / "model.py").write_text("split=0.3\n")
        scenario = Scenario(list(rules(work)), pace=Pace(chunk_chars=80))
        with Simulator(scenario) as simulator:
            for prompt in script.prompts:
                _ask(clis[-1] if script.older else clis[0], prompt, script, home, simulator)


def _ask(cli: Path, prompt: str, script: Script, home: Path, simulator: Simulator) -> None:
    known = ["--resume", script.id[0]] if script.id else []
    if not known and script.forks is not None:
        known = ["--resume", SCRIPTS[script.forks].id[0], "--fork-session"]
    command = [str(cli), "-p", prompt, *known, "--model", script.model, "--output-format", "json",
               "--permission-mode", "acceptEdits", "--allowedTools", "Bash,Read,Write,Edit,Agent",
               "--setting-sources=", "--strict-mcp-config"]  # fmt: skip
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home), "TMPDIR": str(home), "CLAUDE_CODE_TMPDIR": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "config"), "ANTHROPIC_BASE_URL": simulator.url,
        "ANTHROPIC_API_KEY": simulator.key, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "IS_SANDBOX": "1",
    }  # fmt: skip
    done = subprocess.run(command, env=environment, cwd=home / script.project, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120, check=False)  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{prompt!r} failed: {done.stdout[-800:]} {done.stderr[-800:]}")
    script.id[:] = [json.loads(done.stdout)["session_id"]]


# What is kept of the files.


def keep(home: Path, target: Path) -> None:
    """Copy the session files without what belongs to this machine, and each session on its day."""
    projects = home / "config" / "projects"
    days = Days(projects)
    for path in sorted(projects.rglob("*")):
        if path.suffix not in (".jsonl", ".json") or "tool-results" in path.parts:
            continue
        words = path.relative_to(home / "config").parts
        kept = target.joinpath(*(_placeless(word, home) for word in words))
        kept.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            kept.write_text(_placeless(path.read_text(), home))
            continue
        session = next(Path(word).stem for word in words if Path(word).stem in days.shifts)
        records = [_slim(json.loads(line)) for line in _placeless(path.read_text(), home).splitlines()]
        lines = [json.dumps(days.moved(one, session), ensure_ascii=False) + "\n" for one in records]
        kept.write_text("".join(lines))


class Days:
    """Moves each session to its day; what a fork copied stays on the day of the session it is from."""

    def __init__(self, projects: Path) -> None:
        self.shifts: dict[str, timedelta] = {}
        self._home_of: dict[str, str] = {}
        for script in SCRIPTS:
            lines = next(projects.rglob(f"{script.id[0]}.jsonl")).read_text().splitlines()
            own = [one for one in map(json.loads, lines) if one.get("uuid") not in self._home_of]
            begun = min(_time(one["timestamp"]) for one in own if "timestamp" in one)
            self.shifts[script.id[0]] = script.starts - begun
            self._home_of |= {one["uuid"]: script.id[0] for one in own if "uuid" in one}

    def moved(self, record: dict[str, Any], session: str) -> Any:
        """Return a record of a session's file with its moments moved."""
        shift = self.shifts[self._home_of.get(record.get("uuid", ""), session)]
        return _each_text(record, lambda words: _stamp(_time(words) + shift) if _MOMENT.fullmatch(words) else words)


def _placeless(words: str, home: Path) -> str:
    """Return a text without the folders and the system of this machine."""
    words = words.replace(str(home), HOME).replace(_dashed(str(home)), _dashed(HOME))
    return re.sub(r"Linux \d[\w.-]*", "Linux", words)


def _dashed(folder: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]", "-", folder)


def _time(words: str) -> datetime:
    return datetime.fromisoformat(words)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _slim(record: dict[str, Any]) -> Any:
    if record.get("type") not in _OWN_TEXTS:
        return record
    return {key: value if key == "type" else _each_text(value, _left_out) for key, value in record.items()}


def _left_out(words: str) -> str:
    return words if len(words) <= LONGEST_TEXT else f"[{len(words)} characters left out]"


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _each_text(item, change) for key, item in value.items()}
    return [_each_text(item, change) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
