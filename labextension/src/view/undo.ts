/** Undoing what a turn changed: its edits of files (look first, ask, restore), and its changes of cells. */

import type { Undo } from '../protocol';
import type { RunState } from '../state';
import { plural, visible } from '../text';
import { button, el, setText, show } from './dom';
import type { ViewContext } from './view_context';

const NOT_COVERED = 'What commands did is not undone.';

const NAMED = 4; // files that are named; the others are counted

/** Say what happens, or has happened, to which file: those that the turn created are deleted. */
function changes({ files, deleted, done }: Undo): string {
  const restored = files.filter(file => !deleted.includes(file));
  const parts = [
    restored.length > 0 ? `${done ? 'restored' : 'restore'} ${named(restored)}` : '',
    deleted.length > 0 ? `${done ? 'deleted' : 'delete'} ${named(deleted)} (created by this turn)` : ''
  ];
  const words = parts.filter(Boolean).join(', ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function named(files: readonly string[]): string {
  const shown = files.slice(0, NAMED).map(visible).join(', ');
  return files.length > NAMED ? `${shown} and ${plural(files.length - NAMED, 'other file')}` : shown;
}

const CHANGES_CELLS: ReadonlySet<string> = new Set(['mcp__kernel__edit_cell', 'mcp__kernel__delete_cell']);

/** Putting back the cells that a turn edited or deleted. The notebook's own undo takes it back, so no one is asked. */
export class UndoCells {
  /** Stands at the end of a line of facts. */
  readonly button = button('Undo cell changes', 'claude-quiet', () => {
    void this._ask();
  });
  /** Stands below it, once it was asked for. */
  readonly row = el('div', 'claude-undo');

  constructor(private readonly _context: ViewContext) {
    this.row.setAttribute('role', 'status');
    show(this.row, false);
  }

  update(run: RunState, over: boolean): void {
    const hasChanged = run.parts.some(part => part.type === 'tool' && CHANGES_CELLS.has(part.name) && part.state === 'done');
    this._say(over ? run.cells_undone : '');
    show(this.button, over && hasChanged && run.cells_undone === '' && this._context.host.request !== null);
  }

  private async _ask(): Promise<void> {
    this.button.disabled = true;
    const answer = await this._context.host.request?.({ action: 'undo_cells' });
    this.button.disabled = false;
    if (answer !== 'done') {
      this._say('The kernel no longer knows this run.');
    }
  }

  private _say(words: string): void {
    if (words !== '') {
      setText(this.row, visible(words));
    }
    show(this.row, this.row.textContent !== '');
  }
}

/** A button, and the row that takes its place while it asks and once it is done. */
export class UndoEdits {
  /** Stands at the end of a line of facts. */
  readonly button = button('Undo edits', 'claude-quiet', () => {
    void this._ask(true);
  });
  /** Stands below it. */
  readonly row = el('div', 'claude-undo');

  constructor(private readonly _context: ViewContext) {
    this.row.setAttribute('role', 'group');
    this.row.setAttribute('aria-label', 'Undo edits');
    this._setRow();
  }

  update(run: RunState, over: boolean): void {
    this._possible = over && run.edits > 0 && this._context.host.request !== null;
    if (run.undo !== this._drawn) {
      this._drawn = run.undo;
      this._setAsking(false);
      this._draw(run.undo);
    }
    this._arrange(over);
  }

  private _draw(undo: Undo | null): void {
    if (undo === null) {
      this._setRow();
      return;
    }
    if (undo.error) {
      this._setRow(el('span', 'claude-warn', `Not undone: ${visible(undo.error)}`));
    } else if (undo.done) {
      this._setRow(el('span', '', `✓ ${changes(undo)}. ${NOT_COVERED}`));
    } else if (this._possible) {
      this._drawChoice(undo);
    }
  }

  private _drawChoice(undo: Undo): void {
    const lines = `+${undo.insertions} −${undo.deletions} lines`;
    const words = el('span', '', `${changes(undo)} (${lines})? ${NOT_COVERED}`);
    words.title = visible(undo.files.join('\n'));
    const restore = button('Restore', 'claude-main', event => {
      if (this._context.host.trusts(event)) {
        void this._ask(false);
      }
    });
    const keep = button('Keep', '', () => {
      this._setRow();
      this._arrange(true);
      this.button.focus({ preventScroll: true });
    });
    const hadFocus = document.activeElement === this.button;
    this._setRow(words, el('span', 'claude-controls', restore, keep));
    this._arrange(true);
    if (hadFocus) {
      keep.focus({ preventScroll: true });
    }
  }

  private async _ask(dryRun: boolean): Promise<void> {
    if (this._asking) {
      return;
    }
    this._setAsking(true);
    const answer = await this._context.host.request?.({ action: 'undo', dry_run: dryRun });
    this._setAsking(false);
    if (answer !== 'done') {
      this._setRow(el('span', 'claude-warn', 'The kernel no longer knows this run.'));
      this._arrange(true);
    }
  }

  private _setAsking(asking: boolean): void {
    this._asking = asking;
    this.button.disabled = asking;
  }

  private _setRow(...nodes: HTMLElement[]): void {
    this.row.replaceChildren(...nodes);
  }

  /** While the row says something, the button has nothing to add. */
  private _arrange(over: boolean): void {
    const isRowVisible = over && this.row.childElementCount > 0;
    show(this.row, isRowVisible);
    show(this.button, this._possible && !isRowVisible);
  }

  private _drawn: Undo | null = null;
  private _possible = false;
  private _asking = false;
}
