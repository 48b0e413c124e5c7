/** New cells with prompts, below the cell that they are about. */

import type { Cell, CodeCell } from '@jupyterlab/cells';
import { NotebookActions } from '@jupyterlab/notebook';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { indexOfCell } from '../cells';
import { draftAboutCell, emptyDraft, firstLineOf } from './prompt_drafts';

/** A cell of an open notebook. */
export interface CellOfPanel {
  readonly panel: NotebookPanel;
  readonly cell: Cell;
}

/** Insert a prompt below a cell, and put the caret at its end. */
export function insertPrompt({ panel, cell }: CellOfPanel, source: string): void {
  const { content: notebook } = panel;
  const index = indexOfCell(panel, cell.model.id);
  if (index === -1 || notebook.model === null || notebook.model.readOnly) {
    return;
  }
  notebook.model.sharedModel.insertCell(index + 1, { cell_type: 'code', source, metadata: { trusted: true } });
  notebook.deselectAll();
  notebook.activeCellIndex = index + 1;
  void edit(panel, notebook.widgets[index + 1]);
}

async function edit({ content: notebook }: NotebookPanel, cell: Cell | undefined): Promise<void> {
  await notebook.scrollToItem(notebook.activeCellIndex).catch(() => undefined); // it was closed meanwhile
  await cell?.ready;
  const editor = cell?.editor;
  if (editor != null && notebook.activeCell === cell) {
    notebook.mode = 'edit';
    const line = editor.lineCount - 1;
    editor.setCursorPosition({ line, column: editor.getLine(line)?.length ?? 0 });
    editor.focus();
  }
}

/** Insert a prompt below the active cell of a notebook. */
export function insertDraft(panel: NotebookPanel, source: string): void {
  const cell = panel.content.activeCell;
  if (cell !== null) {
    insertPrompt({ panel, cell }, source);
  }
}

/** Insert a prompt in a session below the active cell of a notebook. */
export function insertPromptIn(panel: NotebookPanel, session: string): void {
  insertDraft(panel, `${firstLineOf(session)}\n`);
}

/** Insert a prompt without words. */
export function newPromptBelow(place: CellOfPanel): void {
  insertPrompt(place, emptyDraft(place.cell.model.sharedModel.getSource()));
}

/** Insert a prompt about the cell, its source and what it printed included. */
export function askAboutCell(place: CellOfPanel): void {
  const { model } = place.cell;
  const language = model.type === 'code' ? 'python' : model.type;
  insertPrompt(place, draftAboutCell(model.sharedModel.getSource(), language, outputOf(place.cell)));
}

/** Run a cell of a notebook as a click on its button would. */
export function runCell({ panel, cell }: CellOfPanel): void {
  const index = indexOfCell(panel, cell.model.id);
  if (index !== -1) {
    panel.content.deselectAll();
    panel.content.activeCellIndex = index;
    void NotebookActions.run(panel.content, panel.sessionContext);
  }
}

/** The text that a cell printed or returned. */
function outputOf(cell: Cell): string {
  if (cell.model.type !== 'code') {
    return '';
  }
  const { outputs } = (cell as CodeCell).model;
  const texts = Array.from({ length: outputs.length }, (_, at) => {
    const { data } = outputs.get(at);
    return data['application/vnd.jupyter.stdout'] ?? data['application/vnd.jupyter.stderr'] ?? data['text/plain'] ?? '';
  });
  return texts.map(String).join('\n').trim();
}
