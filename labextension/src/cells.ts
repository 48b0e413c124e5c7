/** Code of an answer as new cells of the notebook, below the prompt that it answers. */

import type { INotebookModel, NotebookPanel } from '@jupyterlab/notebook';

/** What becomes of a code block. */
export interface NewCell {
  readonly cell_type: 'code' | 'markdown';
  readonly source: string;
}

/** A cell as the shared model takes it. */
export type CellOfNotebook = Parameters<INotebookModel['sharedModel']['insertCell']>[1];

const PYTHON = new Set(['python', 'python3', 'py', 'py3', 'ipython', 'ipython3']);

/** Cell magics that IPython brings along, and `%%sql`, which the usual SQL extensions define. */
const MAGICS: ReadonlyMap<string, string> = new Map([
  ['bash', '%%bash'],
  ['sh', '%%bash'],
  ['shell', '%%bash'],
  ['zsh', '%%bash'],
  ['html', '%%html'],
  ['javascript', '%%javascript'],
  ['js', '%%javascript'],
  ['latex', '%%latex'],
  ['tex', '%%latex'],
  ['perl', '%%perl'],
  ['ruby', '%%ruby'],
  ['sql', '%%sql'],
  ['svg', '%%svg']
]);

/**
 * Return the cell for a code block of an answer; `null` where no cell would run it (output, data, other languages).
 *
 * @param code - the code.
 * @param language - the language that the block names; "" where it names none.
 */
export function cellOf(code: string, language: string): NewCell | null {
  const name = language.toLowerCase();
  if (PYTHON.has(name)) {
    return { cell_type: 'code', source: code };
  }
  if (name === 'markdown' || name === 'md') {
    return { cell_type: 'markdown', source: code };
  }
  const magic = MAGICS.get(name);
  return magic === undefined ? null : { cell_type: 'code', source: `${magic}\n${code}` };
}

/**
 * Insert a cell below the one that holds an output, after those that were inserted from it before; select it, so that
 * the next Shift+Enter runs it and not the prompt again.
 *
 * It goes through the shared model: undo works, and other windows see it.
 *
 * @returns whether there was a place for it.
 */
export function insertBelow(panel: NotebookPanel, output: HTMLElement, cell: NewCell): boolean {
  const notebook = panel.content;
  const prompt = notebook.widgets.find(widget => widget.node.contains(output));
  const index = prompt === undefined ? null : insertBelowPrompt(panel, prompt.model.id, { ...cell, metadata: { trusted: true } });
  if (index === null) {
    return false;
  }
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  void notebook.scrollToItem(index).catch(() => undefined); // a notebook that is closed meanwhile has nothing to scroll
  return true;
}

/** Return the place of the cell with an id; -1 if there is none. The widget of a cell may not be there, or no more. */
export function indexOfCell(panel: NotebookPanel, id: string): number {
  return panel.content.model?.sharedModel.cells.findIndex(cell => cell.getId() === id) ?? -1;
}

/**
 * Insert a cell below a prompt's cell, after those that were inserted there before.
 *
 * @returns its place; `null` where there is none.
 */
export function insertBelowPrompt(panel: NotebookPanel, promptId: string, cell: CellOfNotebook): number | null {
  const { model } = panel.content;
  const prompt = indexOfCell(panel, promptId);
  if (model === null || model.readOnly || prompt === -1) {
    return null;
  }
  const earlier = inserted.get(promptId) ?? [];
  const last = Math.max(-1, ...earlier.map(id => indexOfCell(panel, id)));
  const index = Math.max(prompt, last) + 1;
  const added = model.sharedModel.insertCell(index, cell);
  inserted.set(promptId, [...earlier, added.getId()]);
  return index;
}

const ONLY_A_PROMPT = /^(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*(?:%%claude\b|%claude[ \t]+(?:ask|fix)\b[^\n]*\s*$)/i;

/** Whether a cell does nothing but send one prompt. */
export function isOnlyAPrompt(source: string): boolean {
  return ONLY_A_PROMPT.test(source);
}

/** Return the place of the cell that holds an output, if it does nothing but send a prompt; else -1. */
export function promptCell(panel: NotebookPanel, output: HTMLElement): number {
  return panel.content.widgets.findIndex(
    widget => widget.node.contains(output) && isOnlyAPrompt(widget.model.sharedModel.getSource())
  );
}

/** Ids of the cells that were inserted, by the id of the prompt's cell, in order. */
const inserted = new Map<string, string[]>();
