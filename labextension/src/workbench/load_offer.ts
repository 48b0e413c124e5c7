/** A prompt that was run before the magics were loaded: an offer to load them, below the cell. */

import type { CodeCell } from '@jupyterlab/cells';
import { NotebookActions } from '@jupyterlab/notebook';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { button, el } from '../view/dom';
import { runCell } from './new_prompts';
import type { CellOfPanel } from './new_prompts';

const NOT_FOUND = /UsageError: (?:Cell magic `%%claude`|Line magic function `%claude`) not found/;
const LOAD = '%load_ext claude_magic';

/** Offer to load the magics where a cell has missed them. */
export function offerToLoad(cellOf: (node: HTMLElement) => CellOfPanel | null): void {
  NotebookActions.executed.connect((_, { cell }) => {
    const place = cell.model.type === 'code' ? cellOf(cell.node) : null;
    place?.cell.node.querySelector('.claude-load')?.remove();
    if (place !== null && misses(cell as CodeCell)) {
      (cell as CodeCell).node.querySelector('.jp-Cell-outputWrapper')?.after(offer(place));
    }
  });
}

function misses({ model: { outputs } }: CodeCell): boolean {
  return Array.from({ length: outputs.length }, (_, at) => outputs.get(at).data['application/vnd.jupyter.stderr']).some(
    text => typeof text === 'string' && NOT_FOUND.test(text)
  );
}

function offer(place: CellOfPanel): HTMLElement {
  const words = el('span', '', 'Claude is not loaded in this kernel.');
  const node = el('div', 'claude-load', words);
  const load = button('Load it and run this cell', 'claude-quiet', () => {
    load.disabled = true;
    void loadInto(place.panel).then(problem => {
      if (problem === '') {
        node.remove();
        runCell(place);
      } else {
        words.textContent = problem;
        load.remove();
      }
    });
  });
  node.setAttribute('role', 'status');
  node.append(load);
  return node;
}

/** Load the magics; return what went wrong, or "". */
async function loadInto(panel: NotebookPanel): Promise<string> {
  const kernel = panel.sessionContext.session?.kernel;
  const reply = await kernel?.requestExecute({ code: LOAD, store_history: false }).done;
  if (reply?.content.status === 'ok') {
    return '';
  }
  const { ename = '', evalue = '' } = (reply?.content ?? {}) as { ename?: string; evalue?: string };
  return ename === 'ModuleNotFoundError'
    ? 'claude_magic is not installed for this kernel: %pip install claude_magic'
    : `It could not be loaded: ${evalue || 'there is no kernel'}`;
}
