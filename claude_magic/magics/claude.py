"""`%%claude` and `%claude`.

A notebook loads this at its top, often before anything else, so what only a prompt or a command needs is imported then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Bool, CUnicode, Enum, Float, Int, List, TraitError, Unicode, observe, validate

from claude_magic.batch import accessor
from claude_magic.config import DEFAULT_SILENCE_TIMEOUT_S, PERMISSION_MODES
from claude_magic.display.kernel_status import BusyKernel
from claude_magic.errors import ClaudeError
from claude_magic.kernel.level import KernelLevel
from claude_magic.magics.scope import variables_here

if TYPE_CHECKING:
    from claude_magic.magics.context import NotebookContext


@magics_class
class ClaudeMagics(Magics):  # type: ignore[misc]  # IPython publishes no types
    """Claude in the notebook. Settings: `%config ClaudeMagics`, or `c.ClaudeMagics` in ipython_config.py."""

    model = CUnicode("", help="Model of new sessions; empty is the CLI's own default.").tag(config=True)
    permission_mode = Enum(PERMISSION_MODES, "default", help="Permission mode of new sessions.").tag(config=True)
    allowed_tools = List(Unicode(), help="Tools of new sessions that run without asking.").tag(config=True)
    tools = List(Unicode(), None, allow_none=True, help="The only tools of new sessions.").tag(config=True)
    background_tasks = Bool(
        False,
        help="Let subagents and commands of new sessions go on when their cell is over; their report comes later.",
    ).tag(config=True)
    max_sessions = Int(8, min=1, help="CLI processes at the same time.").tag(config=True)
    prewarm = Int(1, min=0, help="Processes kept ready for the next session.").tag(config=True)
    silence_timeout_s = Float(
        DEFAULT_SILENCE_TIMEOUT_S, min=0, help="Seconds that Claude may say nothing; 0 means no limit."
    ).tag(config=True)
    keep = Bool(False, help="Keep every answer, as `%%claude --keep` does: Restart and Run All costs nothing.").tag(
        config=True
    )
    kernel = Enum(
        list(KernelLevel),
        KernelLevel.ASK,
        help="What Claude may do in this kernel: `off`, `read` (look at variables), `ask` (also run code, each time "
        "asked), `run` (without asking).",
    ).tag(config=True)
    kernel_max = Enum(list(KernelLevel), KernelLevel.RUN, help="The most that `--kernel` and `kernel` can give.").tag(
        config=True
    )
    history = Bool(True, help="Keep finished turns (numbers, no texts) for later kernels.").tag(config=True)
    history_texts = Bool(False, help="Keep their prompts, answers and tool inputs too.").tag(config=True)
    daily_budget_usd = Float(
        None, min=0, allow_none=True, help="What maps may spend on one day, in US dollars, earlier kernels included."
    ).tag(config=True)
    notebook_budget_usd = Float(
        None, min=0, allow_none=True, help="What the maps of this notebook may spend, in US dollars, ever."
    ).tag(config=True)
    confirm_above_usd = Float(
        None, min=0, allow_none=True, help="A map whose estimate may come above this, in US dollars, asks first."
    ).tag(config=True)
    nested_loops = Bool(False, help="Let code that calls asyncio.run() be pasted into a cell (nest-asyncio2).").tag(
        config=True
    )

    def __init__(self, shell: Any, **kwargs: Any) -> None:
        self._context: NotebookContext | None = None
        self._untold: list[Callable[[NotebookContext], None]] = []
        self._failure: tuple[str, BaseException] | None = None
        super().__init__(shell, **kwargs)
        kernel = getattr(shell, "kernel", None)
        self._busy = BusyKernel(kernel) if kernel is not None else None
        accessor.use(lambda *args, **options: self.context.begin_map(*args, **options))

    @property
    def context(self) -> NotebookContext:
        """What the magics of this notebook share; made when it is first needed."""
        if self._context is None:
            from claude_magic.magics.context import NotebookContext
            from claude_magic.magics.page_requests import answer_pages

            self._context = NotebookContext(self.shell, settings=self, busy=self._busy)
            self._context.last_failure = self._failure
            answer_pages(self._context)
            for tell in self._untold:
                tell(self._context)
            self._untold.clear()
        return self._context

    def close(self) -> None:
        """Close the sessions, and leave the kernel as it was."""
        accessor.use(None)
        if self._context is not None:
            self._context.close()
        if self._busy is not None:
            self._busy.close()

    def is_set(self, name: str) -> bool:
        """Return whether a setting differs from its default."""
        return bool(getattr(self, name) != self.traits()[name].default_value)

    @validate("nested_loops")
    def _check_nested_loops(self, proposal: Any) -> bool:
        if proposal["value"]:
            _nest_loops()
        return bool(proposal["value"])

    @observe("max_sessions", "prewarm")
    def _pool_changed(self, change: Any) -> None:
        self._tell(lambda context: context.set_pool(**{change["name"]: change["new"]}))

    @observe("silence_timeout_s")
    def _silence_changed(self, change: Any) -> None:
        self._tell(lambda context: context.set_silence_timeout(change["new"]))

    @observe("history", "history_texts")
    def _history_changed(self, change: Any) -> None:
        self._tell(lambda context: context.set_history())

    @observe("daily_budget_usd", "notebook_budget_usd")
    def _map_budgets_changed(self, change: Any) -> None:
        self._tell(lambda context: context.set_map_budgets())

    def _tell(self, tell: Callable[[NotebookContext], None]) -> None:
        """Tell the context of a setting: now, or when it is made."""
        if self._context is None:
            self._untold.append(tell)
        else:
            tell(self._context)

    # The magics.

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython publishes no types
    @cell_magic  # type: ignore[untyped-decorator]  # IPython publishes no types
    def claude(self, line: str, cell: str) -> None:
        """Ask Claude: the cell is the prompt, written as Markdown.

            %%claude
            Which month of {sales} was the best one, and why? Two sentences.

            %%claude -m haiku --schema table -o labels
            Give each of {titles} a category.

        What goes in    {name}, {df.column}, {x:.2f}; --attach EXPR for tables, pictures, files
        Which session   -s NAME; --new, --resume ID, --fork NAME
        Who answers     -m MODEL, --effort E
        What comes out  -o VAR, --schema table|MODEL|JSON; without, it is _claude
        Meanwhile       --bg lets other cells run; --steer sends a prompt into a running turn
        What it may do  --kernel off|read|ask|run, --allow Bash,Edit, --permission-mode plan
        Before you pay  --dry-run shows what would be sent, and sends nothing

        The Tab key completes options, their values and what stands in braces. All of it: %claude help --all
        """
        from claude_magic.magics.options import parse_options, split_prompt, wants_help
        from claude_magic.magics.turns import run_prompt

        if wants_help(line):
            self.claude_line("help")
        elif cell.strip():
            options = parse_options(line)
            if options.map is not None:
                from claude_magic.magics.mapping import run_map

                run_map(self.context, options, cell)
            else:
                run_prompt(self.context, options, cell)
        else:
            options, text = split_prompt(line)
            if text.strip() and not options.quiet:
                print("The first line is taken as the prompt; a longer one goes below it.")
            run_prompt(self.context, options, text)

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython publishes no types
    @line_magic("claude")  # type: ignore[untyped-decorator]  # IPython publishes no types
    def claude_line(self, line: str) -> Any:
        """Everything around the prompts:

        %claude ask TEXT                  a prompt in one line; %claude fix explains the last error
        %claude                           the sessions; stop NAME, close NAME, new, resume ID, fork, rename
        %claude queue                     the prompts that wait
        %claude rewind [TURN]             go back to a turn: files, conversation or both; undo, redo
        %claude turns                     what happened, as a table; tools, history, stats, logs, transcripts
        %claude mcp                       MCP servers, and how they stand; context: what fills the window
        %claude doctor                    what is missing, and the command that mends it
        """
        from claude_magic.magics import commands
        from claude_magic.magics.options import wants_help
        from claude_magic.magics.prompting import brief_errors, fill_in_line

        word, _, rest = line.strip().partition(" ")
        if word in ("", "?"):
            word, rest = "status", ""
        elif wants_help(line) or (word in commands.COMMANDS and wants_help(rest)):
            word, rest = "help", word if word in commands.COMMANDS else ""
        with brief_errors():
            if "{" in rest and word in commands.COMMANDS and word not in commands.AS_TYPED:
                rest = fill_in_line(f"%claude {word}", rest, variables_here(self.shell), self.shell)
            return commands.run(self.context, word, rest if word in commands.PROMPTS else rest.strip())

    def after_cell(self, result: Any) -> None:
        """Remember its error, for `%claude fix`, and show what has ended in the background; called after every cell."""
        error = result.error_in_exec or result.error_before_exec
        ours = isinstance(error, ClaudeError | UsageError | KeyboardInterrupt)
        if error is not None and not ours and result.info is not None:
            self._failure = (str(result.info.raw_cell or ""), error)
        accessor.register()  # the cell may have imported pandas
        if self._context is not None:
            self._context.last_failure = self._failure
            self._context.runner.finished.tell()
            self._context.unasked.tell()
            self._context.watch.look()


def _nest_loops() -> None:
    try:
        import nest_asyncio2
    except ModuleNotFoundError:
        words = "nested_loops needs nest-asyncio2, which is not installed: %pip install nest-asyncio2"
        raise TraitError(words) from None
    nest_asyncio2.apply()
