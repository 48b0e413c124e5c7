"""`%%claude --map FRAME`: the cell's prompt for each row of some data; and what there is to know of maps."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from claude_magic.magics.context import NotebookContext
from claude_magic.magics.options import Options
from claude_magic.magics.prompting import brief_errors, evaluate_option, new_config, schema_named, shorten
from claude_magic.magics.scope import variables_here
from claude_magic.rendering.text import plural

if TYPE_CHECKING:
    import pandas as pd

    from claude_magic.batch.run import MapRun

_TAKEN = {
    "map", "model", "effort", "output", "schema", "system", "tools", "allow", "permission_mode", "max_turns", "budget",
    "cwd", "bg", "timeout", "fresh", "dry_run", "quiet",
}  # fmt: skip
"""Options that mean something for rows."""
_FLAGS = {"session": "-s", "dry_run": "--dry-run", "permission_mode": "--permission-mode", "max_turns": "--max-turns"}
_NOTHING_SENT = "Nothing was sent."
_STATUSES = ("done", "cached", "failed", "stopped")


def run_map(context: NotebookContext, options: Options, prompt: str) -> None:
    """Send a cell's prompt for each row of `--map`; `-o VAR` gets the result, or with `--bg` the run.

    Args:
        context: what the magics share.
        options: the options of the cell.
        prompt: the prompt as typed; `{column}` is the value of a column.

    Raises:
        UsageError: something is wrong with the options or the prompt; nothing was sent.
        ClaudeError: the map could not begin, or its answers could not be stored.
        KeyboardInterrupt: the cell was stopped; what is done is in the variable.
    """
    with brief_errors():
        _check(options)
        prompt = prompt.strip("\n")
        variables = variables_here(context.shell)
        data = evaluate_option("--map", str(options.map), variables)
        _, shape = schema_named(options, variables)
        if shape == "table":
            raise UsageError(f"--map takes no `--schema table`: name the fields as a schema. {_NOTHING_SENT}")
        if options.dry_run:
            print(_described(data, prompt))
            return
        # What the cell's session may spend is here what all of its rows may.
        config = new_config(options, context.base_config).replace(max_budget_usd=None)
        settings = {
            "config": config,
            "budget_usd": options.budget,
            "timeout_s": options.timeout,
            "fresh": options.fresh,
        }
        run = context.begin_map(data, prompt, shape, **settings)
        if options.bg:
            print(f"The map {run.map_id} runs in the background: `%claude map` shows how it stands.")
            value: Any = run
        else:
            value = run.result(progress=not options.quiet)
        if options.output:
            context.shell.user_ns[options.output] = value
        if not options.bg and run.was_interrupted:
            interrupt = KeyboardInterrupt("the map was stopped; what is done is kept")
            shorten(interrupt, "KeyboardInterrupt: stopped; run the cell again for the rows that are missing.")
            raise interrupt


def _check(options: Options) -> None:
    default = Options()
    for item in fields(Options):
        if item.name not in _TAKEN and getattr(options, item.name) != getattr(default, item.name):
            flag = _FLAGS.get(item.name, f"--{item.name}")
            raise UsageError(
                f"{flag} makes no sense with --map: each row has a conversation of its own. {_NOTHING_SENT}"
            )


def _described(data: Any, prompt: str) -> str:
    """Return what `--dry-run` shows: the prompt of the first row."""
    from claude_magic.batch.table import table_of
    from claude_magic.batch.template import Template

    table = table_of(data)
    template = Template(prompt, table.columns)
    row = table.values(template.columns)
    first = template.fill(row(0)) if table.rows else "(no rows)"
    return f"{_NOTHING_SENT} This would be {plural(table.rows, 'prompt')}, the first of them:\n\n{first}"


def maps_table(runs: list[MapRun]) -> pd.DataFrame:
    """Return one row per map of this kernel, the latest last.

    Args:
        runs: the maps.
    """
    import pandas as pd

    columns = ["map_id", "state", "rows", *_STATUSES, "running", "cost_usd", "began", "prompt"]
    rows = []
    for run in runs:
        counts = run.counts
        state = "running" if not run.is_done else "stopped" if run.reason else "done"
        rows.append(
            [run.map_id, state, sum(counts.values()), *(counts[name] for name in _STATUSES), counts["running"],
             run.cost_usd, pd.Timestamp(run.began, unit="s", tz="UTC"), run.prompt]
        )  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
