/** Code of an answer as new cells of the notebook, below the prompt that it answers. */

import type { NotebookPanel } from '@jupyterlab/notebook';

/** What becomes of a code block. */
export interface NewCell {
  readonly cell_type: 'code' | 'markdown';
  readonly source: string;
}

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
  const { model } = notebook;
  const prompt = notebook.widgets.findIndex(widget => widget.node.contains(output));
  const promptId = notebook.widgets[prompt]?.model.id;
  if (model === null || model.readOnly || promptId === undefined) {
    return false;
  }
  const earlier = inserted.get(promptId) ?? [];
  const last = notebook.widgets.findLastIndex(widget => earlier.includes(widget.model.id));
  const index = Math.max(prompt, last) + 1;
  const added = model.sharedModel.insertCell(index, { ...cell, metadata: { trusted: true } });
  inserted.set(promptId, [...earlier, added.getId()]);
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  void notebook.scrollToItem(index).catch(() => undefined); // a notebook that is closed meanwhile has nothing to scroll
  return true;
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
