"""`CellTools`: the cells of the open notebook, through the page that shows it, or as the kernel knows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from claude_magic.kernel.cell_undo import CellUndo, ChangedCell
from claude_magic.kernel.main_thread import LONGEST_RUN_S, MainThread
from claude_magic.kernel.outputs import content_of_outputs
from claude_magic.kernel.real_cell import UnrunnableCellError, run_real_cell
from claude_magic.kernel.recorded_cells import add_recorded_cells
from claude_magic.kernel.scratch import NamespaceSnapshot
from claude_magic.messages import Message
from claude_magic.records.kernel_changes import CellChange, VariableChange
from claude_magic.strings import opening
from claude_magic.tools import CallContext, ToolFailedError, current_call
from claude_magic.values.content import Content, cut_in_the_middle, text_block
from claude_magic.values.hiding import SecretFilter
from claude_magic.widgets.notebook_page import ANSWERS_WITHIN_S, PromptCell, version_of
from claude_magic.widgets.protocol import MIME_TYPE, CellData, CellsReply

_LONGEST_SOURCE = 8_000
_OUTPUTS_SHOWN = 2_000
_OUTLINE = 100

_HIDES_A_SECRET = (
    "The source says [redacted …] where the cell has a secret that you are not shown: it would be lost. Tell the user "
    "what to change, or add a cell."
)

Which = Annotated[
    Literal["outline", "errors", "all"] | list[str],
    "outline (a line per cell), errors (the cells that failed), all, or a list of cell ids.",
]


class CellTools:
    """The tools that read and change cells.

    Args:
        shell: the IPython shell.
        names: returns the names of the user's own variables.
        main_thread: where added cells run.
        secrets: returns what takes secrets out of texts.
        record: told of every change.
    """

    def __init__(
        self,
        shell: Any,
        names: Callable[[], list[str]],
        main_thread: MainThread,
        secrets: Callable[[], SecretFilter],
        record: Callable[[CellChange | VariableChange], None],
    ) -> None:
        self._shell = shell
        self._names = names
        self._main_thread = main_thread
        self._secrets = secrets
        self._record = record
        self._places: dict[str, PromptCell] = {}
        self._undo = CellUndo()
        self._has_next_input = False

    def begin(self, turn_id: str, place: PromptCell) -> None:
        """A prompt was sent from this cell."""
        self._places[turn_id] = place

    def replay(self, turn_id: str, messages: Iterable[Message]) -> None:
        """The prompt was answered from a tape: the notebook gets the cells that the recorded turn added."""
        place = self._places.get(turn_id)
        if place is not None:
            add_recorded_cells(place, turn_id, messages)

    def end(self, turn_id: str) -> None:
        """The prompt is answered."""
        self._places.pop(turn_id, None)
        self._has_next_input = False

    def undo(self, turn_id: str) -> str:
        """Put back the cells that a turn edited or deleted, and return what became of it; waits for the page."""
        return self._undo.undo(turn_id)

    # The tools.

    async def read_cells(self, which: Which = "outline") -> Content:
        """Read cells of the user's open notebook as the page shows them now, unsaved edits included.

        Each cell comes with its id, which stays the same when cells move, and the version that edit_cell and
        delete_cell need. Long sources and outputs are shortened; pictures come as pictures when cells are named by id.
        """
        place = self._place()
        if place is None:
            return self._from_history(which)
        cells = (await self._ask(place, "read")).get("cells") or []
        for cell in cells:
            place.page.remember(cell.get("id", ""), cell.get("source", ""))
        return self._shown(cells, which)

    async def add_cell(
        self,
        source: str,
        cell_type: Literal["code", "markdown"] = "code",
        after: Annotated[str, "Id of the cell to put it below; below the prompt if not given."] = "",
    ) -> Content:
        """Add a cell to the user's open notebook, for what should last: a figure, a result, an explanation.

        A code cell is run at once, in the user's namespace, as if the user had run it: what it assigns stays. It comes
        below the prompt, after the cells that were added before. Write it so that the notebook runs from top to bottom
        without you.

        Args:
            source: the code, or the Markdown.
            cell_type: code or markdown.
        """
        call = _call()
        place = self._place()
        cell: CellData = {"cell_type": cell_type, "source": source, "outputs": [], "metadata": _metadata(call)}
        notes: list[str] = []
        cell_id = ""
        if place is not None:
            cell_id = (await self._ask(place, "insert", cell=cell, after=after)).get("cell", "")
            place.page.remember(cell_id, source)
        else:
            notes.append(self._suggest(source, cell_type))
        self._record(CellChange(call.session, call.turn_id, cell_id, "added", None, source))
        if cell_type == "markdown":
            head = [f"Added the cell {cell_id}."] if cell_id else []
            return Content([text_block(" ".join([*head, *notes]))])
        return await self._run(call, place, cell_id, source, notes)

    async def edit_cell(self, cell_id: str, version: str, source: str) -> Content:
        """Change the source of a cell of the user's open notebook. The user sees the difference and decides.

        It is not run. It is refused when the user has typed in the cell since you read it.

        Args:
            cell_id: id of the cell.
            version: its version, from read_cells.
            source: the whole new source.
        """
        place = self._page_place()
        expected = self._expected(place, cell_id, version)
        if "[redacted " in source and "[redacted " not in expected:
            raise ToolFailedError(_HIDES_A_SECRET)
        await self._ask(place, "replace", cell={"id": cell_id, "source": source}, expected=expected)
        self._changed(place, "edited", ChangedCell({"id": cell_id, "source": expected}, after=source), source)
        place.page.remember(cell_id, source)
        return Content([text_block(f"Changed. The version of {cell_id} is now {version_of(source)}.")])

    async def delete_cell(self, cell_id: str, version: str) -> Content:
        """Delete a cell of the user's open notebook. The user sees it and decides.

        Args:
            cell_id: id of the cell.
            version: its version, from read_cells.
        """
        place = self._page_place()
        expected = self._expected(place, cell_id, version)
        reply = await self._ask(place, "delete", cell={"id": cell_id}, expected=expected)
        deleted = (reply.get("cells") or [CellData(id=cell_id, source=expected)])[0]
        self._changed(place, "deleted", ChangedCell(deleted, index=reply.get("index", 0)), expected)
        return Content([text_block(f"Deleted {cell_id}.")])

    # Running an added cell.

    async def _run(
        self, call: CallContext, place: PromptCell | None, cell_id: str, source: str, notes: list[str]
    ) -> Content:
        def work() -> tuple[list[dict[str, Any]], int, bool, list[VariableChange]]:
            before = NamespaceSnapshot(self._shell.user_ns, self._names())
            outputs: list[dict[str, Any]] = []
            number: int | None = None
            try:
                outputs, number, failed = run_real_cell(self._shell, source)
            finally:  # the page gets what there is, also of a cell whose turn was stopped
                if place is not None:
                    cell: CellData = {"id": cell_id, "outputs": outputs, "execution_count": number}
                    place.page.request(place.client, place.cell, "update", cell=cell)
            return outputs, number, failed, before.changes(call, self._shell.user_ns, self._names())

        try:
            outputs, number, failed, changes = await self._main_thread.run(work, call.turn_id, LONGEST_RUN_S)
        except UnrunnableCellError as reason:
            head = f"Added the cell {cell_id}; it" if cell_id else "It"
            words = f"{head} was not run: {reason}."
            return Content([text_block(" ".join([words, *notes]))])
        for change in changes:
            self._record(change)
        head = f"The cell {cell_id} was added and run as [{number}]." if cell_id else f"It was run as [{number}]."
        content = Content([text_block(" ".join([head, *notes])), *self._secrets().blocks(content_of_outputs(outputs))])
        if failed:
            raise ToolFailedError("the cell failed", content=content)
        return content

    def _suggest(self, source: str, cell_type: str) -> str:
        """Where no page can be asked, suggest the first cell of a turn as the next one; return what was done."""
        can_suggest = hasattr(self._shell, "set_next_input") and not self._has_next_input and cell_type == "code"
        if not can_suggest:
            return "No page can be asked to add it: give the source to the user in your answer."
        self._has_next_input = True
        self._shell.set_next_input(source)
        return "No page can be asked to add it; it is suggested as the next cell. Give its source in your answer."

    # Asking the page.

    def _place(self) -> PromptCell | None:
        return self._places.get(_call().turn_id)

    def _page_place(self) -> PromptCell:
        place = self._place()
        if place is None:
            raise ToolFailedError(
                "No page can be asked to change cells here (JupyterLab with the extension of claude_magic can). Give "
                "the new source to the user in your answer."
            )
        return place

    async def _ask(self, place: PromptCell, operation: str, **fields: Any) -> CellsReply:
        reply = await _answered(place, operation, fields)
        match reply.get("refused"):
            case "unknown":
                raise ToolFailedError("The notebook has no such cell any more; read_cells lists those there are.")
            case "changed":
                source = reply.get("source", "")
                cell_id = str(fields["cell"].get("id"))
                place.page.remember(cell_id, source)
                raise ToolFailedError(
                    f"The user has changed the cell since you read it; nothing was done. Its version is now "
                    f"{version_of(source)}, and its source:\n\n{self._secrets().text(source)}"
                )
            case "read-only":
                raise ToolFailedError("The notebook is read-only; give the source to the user in your answer.")
        return reply

    def _expected(self, place: PromptCell, cell_id: str, version: str) -> str:
        if cell_id == place.cell:
            raise ToolFailedError("This is the cell of the prompt that you answer; it cannot be changed meanwhile.")
        source = place.page.source(cell_id, version)
        if source is None:
            raise ToolFailedError(f"The version {version!r} of {cell_id!r} is not known: read the cell first.")
        return source

    def _changed(self, place: PromptCell, change: str, what: ChangedCell, source: str) -> None:
        call = _call()
        self._undo.remember(call.turn_id, place, what)
        self._record(CellChange(call.session, call.turn_id, what.cell.get("id", ""), change, True, source))

    # What is shown of them.

    def _shown(self, cells: list[CellData], which: str | list[str]) -> Content:
        if which == "outline":
            lines = [_outline(cell) for cell in cells]
            return self._secrets().blocks([text_block("\n".join(lines) or "The notebook is empty.")])
        if which == "errors":
            wanted = [cell for cell in cells if _has_failed(cell)]
        elif which == "all":
            wanted = cells
        else:
            known = {cell.get("id"): cell for cell in cells}
            missing = [name for name in which if name not in known]
            if missing:
                raise ToolFailedError(f"There is no cell {', '.join(missing)}; read_cells() lists those there are.")
            wanted = [known[name] for name in which]
        blocks = [block for cell in wanted for block in cell_blocks(cell, with_pictures=isinstance(which, list))]
        return self._secrets().blocks(
            blocks or [text_block("No cell has failed." if which == "errors" else "There is none.")]
        )

    def _from_history(self, which: str | list[str]) -> Content:
        """Return what the kernel itself knows: the sources as they were run; it does not know which cells failed."""
        inputs = list(enumerate(self._shell.history_manager.input_hist_raw))[1:]
        wanted = {name.strip("In[]") for name in which} if isinstance(which, list) else None
        shown = [(number, text) for number, text in inputs if wanted is None or str(number) in wanted]
        note = "No page can be asked here: these are the cells that were run, as they were then; they have no ids."
        lines = [
            f"In[{number}]: {opening(text, _OUTLINE)}" if which == "outline" else f"In[{number}]:\n{text}"
            for number, text in shown
        ]
        return self._secrets().blocks([text_block("\n".join([note, *lines]))])


async def _answered(place: PromptCell, operation: str, fields: dict[str, Any]) -> CellsReply:
    """Ask the page that ran the prompt's cell; where it was loaded again meanwhile, those that have spoken since.

    A question is given up before the next page is asked, so that no two change the same cell.
    """
    for client in (place.client, *place.page.others(place.client)):
        future = place.page.request(client, place.cell, operation, **fields)
        done, _ = await asyncio.wait([asyncio.wrap_future(future)], timeout=ANSWERS_WITHIN_S)
        if done:
            place.page.note_moved(place.client, client)
            return future.result()
        future.cancel()
    raise ToolFailedError("No page that shows the notebook answers; it may have been closed.")


def _call() -> CallContext:
    call = current_call()
    assert call is not None  # tools are called by a connection only
    return call


def _metadata(call: CallContext) -> dict[str, Any]:
    return {"claude": {"session": call.session, "turn": call.turn_id}}


def _title(cell: Mapping[str, Any]) -> str:
    number = cell.get("execution_count")
    kind = cell.get("cell_type", "")
    ran = f" [{number}]" if number else " [not run]" if kind == "code" else ""
    return f"{cell.get('id')} ({kind}{ran}, version {version_of(str(cell.get('source', '')))})"


def _outline(cell: CellData) -> str:
    kinds = [_output_kind(output) for output in cell.get("outputs") or ()]
    shown = f"  -> {', '.join(dict.fromkeys(kinds))}" if kinds else ""
    return f"{_title(cell)}: {opening(cell.get('source', ''), _OUTLINE)}{shown}"


def _output_kind(output: Mapping[str, Any]) -> str:
    kind = str(output.get("output_type"))
    if kind == "error":
        return f"error {output.get('ename')}"
    if kind == "stream":
        return "text"
    data = output.get("data") or {}
    if MIME_TYPE in data:
        return "an answer of yours"
    if any(name.startswith("image/") for name in data):
        return "picture"
    return "table" if "text/html" in data else "value"


def _has_failed(cell: CellData) -> bool:
    return any(output.get("output_type") == "error" for output in cell.get("outputs") or ())


def cell_blocks(cell: CellData, *, with_pictures: bool = False) -> list[dict[str, Any]]:
    """Return content blocks that show a cell: its id and version, its source and its outputs, shortened.

    Args:
        cell: it.
        with_pictures: whether its pictures are shown too.
    """
    outputs = [output for output in cell.get("outputs") or () if MIME_TYPE not in (output.get("data") or {})]
    blocks = [text_block(f"{_title(cell)}:\n{cut_in_the_middle(cell.get('source', ''), _LONGEST_SOURCE)}")]
    shown = content_of_outputs(outputs, _OUTPUTS_SHOWN)
    for block in shown:
        if block["type"] == "text":
            blocks.append(text_block(f"output:\n{block['text']}"))
        else:
            blocks.append(
                block if with_pictures else text_block("output: a picture; name the cell by its id to see it")
            )
    return blocks
