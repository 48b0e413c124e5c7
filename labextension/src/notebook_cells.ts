/** Reads and changes the cells of an open notebook, as the kernel asks; by id, and through the shared model. */

import type { ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IOutput } from '@jupyterlab/nbformat';

import { indexOfCell, insertBelowPrompt } from './cells';
import type { CellOfNotebook } from './cells';
import type { CellData, CellsReply, CellsRequest } from './protocol';

const REFUSED_UNKNOWN: CellsReply = { refused: 'unknown' };
/** How long a cell that was added or changed is marked. */
const MARKED_MS = 2_000;

/** Do what the kernel asks, once the notebook is loaded. */
export async function handleCells(panel: NotebookPanel, request: CellsRequest): Promise<CellsReply> {
  await panel.context.ready;
  const model = panel.content.model;
  if (model === null) {
    return REFUSED_UNKNOWN;
  }
  if (request.operation === 'read') {
    return { cells: model.sharedModel.cells.map(cell => cell.toJSON() as unknown as CellData) };
  }
  if (model.readOnly) {
    return { refused: 'read-only' };
  }
  switch (request.operation) {
    case 'insert':
      return insert(panel, request);
    case 'restore':
      return restore(panel, request);
    default:
      return change(panel, request);
  }
}

function insert(panel: NotebookPanel, request: CellsRequest): CellsReply {
  const cell = { ...request.cell, metadata: { ...request.cell?.metadata, trusted: true } } as CellOfNotebook;
  const index = request.after ? insertAfter(panel, request.after, cell) : insertBelowPrompt(panel, request.prompt, cell);
  const added = index === null ? undefined : panel.content.widgets[index];
  if (added === undefined) {
    return REFUSED_UNKNOWN;
  }
  if (added.model.type === 'markdown') {
    (added as unknown as { rendered: boolean }).rendered = true;
  } else if (request.cell?.execution_count === undefined) {
    setRunning(added.model as ICodeCellModel, true); // else it was run when its turn was recorded
  }
  mark(added.node);
  return { cell: added.model.id };
}

/** Put a cell back that was deleted, unless the person has brought it back already. */
function restore(panel: NotebookPanel, { cell, index }: CellsRequest): CellsReply {
  const sharedModel = panel.content.model?.sharedModel;
  if (sharedModel === undefined || cell?.id === undefined) {
    return REFUSED_UNKNOWN;
  }
  if (indexOfCell(panel, cell.id) !== -1) {
    return { refused: 'changed', source: cell.source ?? '' };
  }
  const place = Math.min(index ?? 0, sharedModel.cells.length);
  sharedModel.insertCell(place, cell as unknown as CellOfNotebook);
  const restored = panel.content.widgets[place];
  if (restored !== undefined) {
    mark(restored.node);
  }
  return { cell: cell.id };
}

function insertAfter(panel: NotebookPanel, id: string, cell: CellOfNotebook): number | null {
  const before = indexOfCell(panel, id);
  if (before === -1) {
    return null;
  }
  panel.content.model?.sharedModel.insertCell(before + 1, cell);
  return before + 1;
}

function change(panel: NotebookPanel, { operation, cell, expected }: CellsRequest): CellsReply {
  const index = indexOfCell(panel, cell?.id ?? '');
  const widget = panel.content.widgets[index];
  if (widget === undefined || cell === undefined) {
    return REFUSED_UNKNOWN;
  }
  if (operation === 'update') {
    const model = widget.model as ICodeCellModel;
    setRunning(model, false);
    model.sharedModel.setOutputs((cell.outputs ?? []) as unknown as IOutput[]);
    model.sharedModel.execution_count = cell.execution_count ?? null;
    return { cell: widget.model.id };
  }
  const { id } = widget.model; // a cell that is deleted has no model any more
  const source = widget.model.sharedModel.getSource();
  if (source !== expected) {
    return { refused: 'changed', source };
  }
  if (operation === 'delete') {
    const deleted = widget.model.sharedModel.toJSON() as unknown as CellData;
    panel.content.model?.sharedModel.deleteCell(index);
    return { cell: id, cells: [deleted], index };
  }
  widget.model.sharedModel.setSource(cell.source ?? '');
  mark(widget.node);
  return { cell: id };
}

/** Show `[*]` while the kernel runs the cell; a JupyterLab that does not know the state shows none. */
function setRunning(model: ICodeCellModel, isRunning: boolean): void {
  const { sharedModel } = model as unknown as { sharedModel: { executionState?: string } };
  if ('executionState' in sharedModel) {
    sharedModel.executionState = isRunning ? 'running' : 'idle';
  }
}

function mark(node: HTMLElement): void {
  node.classList.add('claude-new-cell');
  setTimeout(() => {
    node.classList.remove('claude-new-cell');
  }, MARKED_MS);
}
