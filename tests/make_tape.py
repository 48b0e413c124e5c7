"""Make the tape that `notebooks/share_and_replay.ipynb` plays, with a real CLI and simulated answers.

    python tests/make_tape.py notebooks/share_and_replay.ipynb notebooks/data/cafe.tape.jsonl

The cells of the notebook are run with recording in place of replaying, so that the prompts on the tape are those of
the notebook to the letter; those tagged `not-recorded` are left out. The CLI runs its tools for real; the words and
the token counts are the simulator's. Afterwards what the CLI says of this machine is taken out.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

SCENARIO = r'''
name = "cafe"

[pace]
delay_s = 0.5
chunk_chars = 12
chunk_delay_s = 0.03

[usage]
cache_read_input_tokens = 14000
cache_creation_input_tokens = 350

[[rule]]
name = "second barista"
contains = "second barista"

[[rule.step]]
thinking = "Two peaks: the morning on working days, and brunch on Saturday and Sunday. Rank the hours by guests."
text = """
One barista serves about 40 guests an hour. These hours go beyond that:

| hour | working day | weekend |
|:-----|------------:|--------:|
| 8    |          62 |      18 |
| 9    |          48 |      37 |
| 11   |          21 |      71 |
| 12   |          39 |      66 |

So: **8 and 9 on working days, 11 and 12 at the weekend.** To see it for every hour:

```python
busy = week[week["guests"] > 40].sort_values("guests", ascending=False)
busy.pivot_table(index="hour", columns="kind", values="guests")
```
"""

[[rule]]
name = "weather"
contains = "rainy days"

[[rule.step]]
text = "I count them in the file."
tool = { name = "Bash", input.command = "grep -c rain data/cafe_weather.csv", input.description = "Count rainy days" }

[[rule.step]]
text = """
It rained on **{tool_result} of 7 days**, on Monday, Tuesday and Sunday. One week says little about rain and guests: \
ask again with a month.
"""

[[rule]]
name = "plan"
contains = "shift plan"

[[rule.step]]
text = "Here is the plan, four shifts of a second barista."
structured.shifts = [
    { kind = "working day", begins = 8, ends = 10, baristas = 2 },
    { kind = "working day", begins = 10, ends = 17, baristas = 1 },
    { kind = "weekend", begins = 9, ends = 11, baristas = 1 },
    { kind = "weekend", begins = 11, ends = 13, baristas = 2 },
]
'''
_OF_THE_SESSION = ("type", "subtype", "model", "session_id", "uuid", "permissionMode", "claude_code_version")
_NOT_PLAYED = ("hook_started", "hook_response")


def main() -> int:
    """Make the tape that the arguments name."""
    notebook, tape = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    sys.path.insert(0, str(notebook.parent))
    import run

    tape.unlink(missing_ok=True)
    with _quiet_home() as home:
        scenario = home / "cafe.toml"
        scenario.write_text(SCENARIO, encoding="utf-8")
        cells = nbformat.read(notebook, as_version=4)
        cells.cells = [cell for cell in cells.cells if "not-recorded" not in cell.metadata.get("tags", ())]
        for cell in cells.cells:
            if cell.source.startswith("%claude replay") and "off" not in cell.source:
                cell.source = f"%claude simulate on {scenario}\n%claude record on {tape}"
        run.execute(cells, notebook.parent, io.StringIO())
    lines = [json.loads(line) for line in tape.read_text(encoding="utf-8").splitlines()]
    here = {str(notebook.parent): "notebooks", str(home): "home"}
    kept = [_clean(line, here) for line in lines if line.get("line", {}).get("subtype") not in _NOT_PLAYED]
    tape.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept), encoding="utf-8")
    sys.stdout.write(f"{tape.name}: {sum('run' in line for line in kept)} runs, {len(kept)} lines\n")
    return 0


@contextmanager
def _quiet_home() -> Iterator[Path]:
    """Nothing of the user's is run, read or recorded."""
    with tempfile.TemporaryDirectory(prefix="claude-magic-tape-", ignore_cleanup_errors=True) as home:
        os.environ.update(HOME=home, USERPROFILE=home, IPYTHONDIR=home, CLAUDE_MAGIC_STATE_DIR=f"{home}/state")
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"):
            os.environ.pop(name, None)
        yield Path(home)


def _clean(record: dict[str, Any], here: dict[str, str]) -> dict[str, Any]:
    """Take out what is said of this machine: its folders, and what is installed on it."""
    line = record.get("line", {})
    if line.get("subtype") == "init":
        record = {**record, "line": {name: line[name] for name in _OF_THE_SESSION if name in line}}
    text = json.dumps(record, ensure_ascii=False)
    for folder, name in here.items():
        text = text.replace(folder, name)
    cleaned: dict[str, Any] = json.loads(text)
    return cleaned


if __name__ == "__main__":
    sys.exit(main())
