"""`transcripts`: an archive of session files into frames, beside what else can read it.

Every way runs in a process of its own, so that its peak of memory is its own. The time is that of reading, without the
start of Python and imports; for ccusage, a native program, it is that of the whole program.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import fresh_process, in_turns, median, share_of, temporary_home
from benchmarks.report import Report, say
from benchmarks.session_files import write_archive

if TYPE_CHECKING:
    import pandas as pd

    from claude_magic.transcripts.transcripts import Transcripts

PACKAGES = ("duckdb", "polars")
NAME = "benchmarks.transcripts"
OURS, OURS_TOTALS, OURS_AGAIN, OURS_HELD, OURS_GROWN, OURS_MESSAGES = (
    "claude_magic: sessions, turns, tools, usage",
    "claude_magic: tokens and cost",
    "claude_magic: the four frames, second read",
    "claude_magic: the four frames, once more in one process",
    "claude_magic: the four frames, one file has grown",
    "claude_magic: messages, in chunks",
)
CCUSAGE, PANDAS, DUCKDB, POLARS = "ccusage daily", "pandas.read_json", "DuckDB read_json", "Polars scan_ndjson"

Found = dict[str, float]
"""Of one run: seconds by the clock and of processor time, peak megabytes, and the sum of all tokens (0: unknown).

Processor time is that of all processes; the peak is that of the process, and of the largest of its helpers.
"""


def run(megabytes: int = 100, rounds: int = 3, peers: str | None = None, alone: bool = False) -> Report:
    """Measure.

    Args:
        megabytes: size of the archive; 1000 is a year of daily work.
        rounds: how often each way is timed.
        peers: a folder that keeps DuckDB, Polars and ccusage for the next time; `None` installs them into a
            temporary one.
        alone: install nothing; only what is here already is measured.
    """
    with temporary_home() as home, _folder(peers) as side:
        notes = [] if alone else install(side)
        say(f"  writing {megabytes} MB of session files")
        archive = home / "archive"
        size = write_archive(archive, megabytes) / 1e6
        ways = dict(_ways(archive, home / "cache", side))
        found = in_turns(ways, rounds)
    return report(size, rounds, found, notes)


@contextmanager
def _folder(named: str | None) -> Iterator[Path]:
    if named is not None:
        yield Path(named).absolute()
        return
    with tempfile.TemporaryDirectory(prefix="claude-magic-peers-") as folder:
        yield Path(folder)


def install(side: Path) -> list[str]:
    """Install the others into a folder, where they are not yet; return what went wrong."""
    notes = []
    side.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not (side / package).is_dir():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(side), package]
            notes += _try(command, package)
    if _ccusage(side) is None:
        # The native program is a package of its own, which the launcher's package does not always bring along.
        machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(side)]
        notes += _try([*command, "ccusage", f"@ccusage/ccusage-{sys.platform}-{machine}"], "ccusage")
    program = _ccusage(side)
    if program is not None:
        program.chmod(0o755)
    return notes


def _try(command: list[str], name: str) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"{name} is not here: {error}"]
    return [] if done.returncode == 0 else [f"{name} cannot be installed: {done.stderr.strip()[-200:]}"]


def _ccusage(side: Path) -> Path | None:
    """Return the native program, which its launcher in JavaScript only starts."""
    return next(side.glob("node_modules/@ccusage/ccusage-*/bin/ccusage*"), None)


def _ways(archive: Path, cache: Path, side: Path) -> Iterator[tuple[str, Callable[[], Found]]]:
    """Yield the ways to read, by name."""
    fresh_process(NAME, "frames", str(archive), str(cache))  # from now on there is a cache
    yield OURS, partial(_fresh, "frames", archive)
    yield OURS_TOTALS, partial(_fresh, "totals", archive)
    yield OURS_AGAIN, partial(_fresh, "frames", archive, cache)
    yield OURS_HELD, partial(_fresh, "held", archive, cache)
    yield OURS_GROWN, partial(_grown, archive, cache)
    yield OURS_MESSAGES, partial(_fresh, "messages", archive)
    program = _ccusage(side)
    if program is not None:
        yield CCUSAGE, partial(ccusage, program, archive)
    yield PANDAS, partial(_fresh, "pandas", archive)
    for name, way in ((DUCKDB, "duckdb"), (POLARS, "polars")):
        if (side / way).is_dir():
            yield name, partial(_fresh, way, archive, side)


def _fresh(way: str, *words: Path) -> Found:
    found: Found = fresh_process(NAME, way, *map(str, words))
    return found


def _grown(archive: Path, cache: Path) -> Found:
    """A session went on since the last read."""
    file = next(archive.rglob("*.jsonl"))
    line = {"type": "last-prompt", "lastPrompt": "one more", "sessionId": file.stem}
    with file.open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    return _fresh("frames", archive, cache)


def ccusage(program: Path, archive: Path) -> Found:
    """Let ccusage total the archive."""
    environment = {**os.environ, "CLAUDE_CONFIG_DIR": str(archive)}
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        [str(program), "claude", "daily", "--offline", "--json"], env=environment, capture_output=True, check=True
    )
    took = time.perf_counter() - started
    return {"seconds": took, "cpu": _cpu(before), "tokens": json.loads(done.stdout)["totals"]["totalTokens"]}


def report(size: float, rounds: int, found: Mapping[str, list[Found]], notes: list[str]) -> Report:
    """Say what was measured."""
    seconds = {name: [one["seconds"] for one in runs] for name, runs in found.items()}
    made = Report(
        "transcripts", f"{size:,.0f} MB of session files", ["seconds", "CPU s", "MB/s", "peak MB", "million tokens"]
    )
    for name, runs in found.items():
        took = median(seconds[name])
        cpu = median([one["cpu"] for one in runs])
        peak = median([one["peak_mb"] for one in runs]) if "peak_mb" in runs[0] else None
        tokens = runs[0]["tokens"] / 1e6 or None
        made.rows[name] = [took, cpu, size / took, peak, tokens]
    for other, ours, aim in ((CCUSAGE, OURS_TOTALS, 2), (PANDAS, OURS, 10), (DUCKDB, OURS, None), (POLARS, OURS, None)):
        if other in seconds:
            made.ratio(f"{other} beside {ours}", share_of(seconds[other], seconds[ours]), aim=aim)
    made.ratio("first read beside second", share_of(seconds[OURS], seconds[OURS_AGAIN]), aim=50)
    made.ratio("first read beside one more in the same process", share_of(seconds[OURS], seconds[OURS_HELD]))
    made.ratio("first read beside one after a file has grown", share_of(seconds[OURS], seconds[OURS_GROWN]))
    made.notes += [
        f"{rounds} rounds in turns, each in a process of its own; above 1 x, ours is the faster one.",
        "pandas, DuckDB and Polars only total tokens, each message once; ours makes four frames.",
        *notes,
    ]
    return made


# What the processes do.


def frames(archive: str, cache: str | None = None) -> float:
    """Make the four frames; return the sum of all tokens."""
    return _tokens(_four_frames(archive, cache)[1][-1])


def _four_frames(archive: str, cache: str | None) -> tuple[Transcripts, list[pd.DataFrame]]:
    from claude_magic import read_transcripts

    found = read_transcripts(archive, cache=cache or False)
    return found, [found.sessions(), found.turns(), found.tools(), found.usage()]


def totals(archive: str) -> float:
    """Total tokens and cost."""
    from claude_magic import read_transcripts

    usage = read_transcripts(archive, cache=False).usage()
    usage["cost_usd"].sum()
    return _tokens(usage)


def _tokens(usage: Any) -> float:
    return float(usage.filter(like="_tokens").sum().sum())


def messages(archive: str) -> float:
    """Go through all messages; nothing to total."""
    from claude_magic import read_transcripts

    for _ in read_transcripts(archive, cache=False).iter_messages():
        pass
    return 0.0


def pandas_lines(archive: str) -> float:
    """Read file after file with pandas, and total the messages."""
    import pandas as pd

    kinds = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    last: dict[tuple[Any, Any], int] = {}
    for file in Path(archive).rglob("*.jsonl"):
        frame = pd.read_json(file, lines=True)
        if "requestId" not in frame:
            continue
        frame = frame[frame["type"] == "assistant"]
        for message, request in zip(frame["message"], frame["requestId"], strict=True):
            last[message["id"], request] = sum(message["usage"][kind] for kind in kinds)
    return float(sum(last.values()))


def duckdb_lines(archive: str, side: str) -> float:
    """Let DuckDB total the messages."""
    sys.path.append(side)
    import duckdb  # type: ignore[import-not-found, unused-ignore]  # installed aside

    rows = duckdb.sql(f"""
        SELECT sum(tokens) FROM (
            SELECT arg_max(u.input_tokens + u.output_tokens + u.cache_read_input_tokens + u.cache_creation_input_tokens,
                           timestamp) AS tokens
            FROM (SELECT requestId, timestamp, message.id AS id, message.usage AS u
                  FROM read_json('{archive}/**/*.jsonl', format = 'newline_delimited', ignore_errors = true,
                       maximum_object_size = 100000000,
                       columns = {{type: 'VARCHAR', requestId: 'VARCHAR', timestamp: 'VARCHAR',
                                   message: 'STRUCT(id VARCHAR, usage STRUCT(input_tokens BIGINT, output_tokens BIGINT,
                                   cache_read_input_tokens BIGINT, cache_creation_input_tokens BIGINT))'}})
                  WHERE type = 'assistant')
            GROUP BY id, requestId)""")
    return float(rows.fetchall()[0][0])


def polars_lines(archive: str, side: str) -> float:
    """Let Polars total the messages."""
    sys.path.append(side)
    import polars as pl  # type: ignore[import-not-found, unused-ignore]  # installed aside

    kinds = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    usage = pl.Struct(dict.fromkeys(kinds, pl.Int64))
    schema = {
        "type": pl.String, "requestId": pl.String, "message": pl.Struct({"id": pl.String, "usage": usage}),
    }  # fmt: skip
    files = sorted(Path(archive).rglob("*.jsonl"))
    lines = pl.scan_ndjson(files, schema=schema, ignore_errors=True).filter(pl.col("type") == "assistant")
    fields = pl.col("message").struct
    rows = lines.select("requestId", fields.field("id"), fields.field("usage")).unnest("usage").collect()
    last = rows.unique(["id", "requestId"], keep="last", maintain_order=True)
    return float(last.select(pl.sum_horizontal(*kinds).sum()).item())


WAYS: dict[str, Callable[..., float]] = {
    "frames": frames, "held": frames, "totals": totals, "messages": messages,
    "pandas": pandas_lines, "duckdb": duckdb_lines, "polars": polars_lines,
}  # fmt: skip


def main(way: str, *words: str) -> None:
    """Run one way in this process, and print what it took as JSON."""
    import pandas  # noqa: F401  # imports are not what is measured

    import claude_magic.transcripts.history  # noqa: F401  # the same

    held = _four_frames(*words) if way == "held" else None  # a cell that runs again still has what it made before
    before, started = os.times(), time.perf_counter()
    tokens = WAYS[way](*words)
    took = time.perf_counter() - started
    own, helpers = (resource.getrusage(who).ru_maxrss / 1e3 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    del held
    print(json.dumps({"seconds": took, "cpu": _cpu(before), "peak_mb": own + helpers, "tokens": tokens}))


def _cpu(before: os.times_result) -> float:
    """Return the processor time since then, that of processes which have ended included."""
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


if __name__ == "__main__":
    main(*sys.argv[1:])
