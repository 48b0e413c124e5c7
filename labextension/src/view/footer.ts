/** Last lines of a run: how it ended and what to do next, what it took, and undoing its edits. */

import type { Undo } from '../protocol';
import type { RunState } from '../state';
import { count, dollars, plural, seconds, visible } from '../text';
import { button, el, setText, show } from './dom';
import type { Piece } from './dom';
import type { Surroundings } from './surroundings';

/** Whether the run is known to have ended, goes on, or nobody knows. */
export type Standing = 'live' | 'over' | 'lost';

const LOST = 'How this run ended was not saved: the page was closed, or the kernel went away, before it was over.';

const ENDINGS: ReadonlyMap<string, string> = new Map([
  ['interrupted', 'Stopped by you. The text is kept: prompt again to go on.'],
  ['max_turns', 'Stopped at the limit of steps. Prompt again to go on, or raise --max-turns.'],
  ['budget', 'Stopped at the budget. Start a new session with a higher --budget.'],
  ['denied', 'Stopped because you denied a tool use. Prompt again to go on.'],
  ['timeout', 'Stopped because it took too long. The text is kept: prompt again to go on, or raise --timeout.'],
  ['error', 'Failed.']
]);

/** How the run ended, if not plainly well. */
export class Ending implements Piece<{ run: RunState; standing: Standing }> {
  readonly node = el('div', 'claude-end');

  update({ run, standing }: { run: RunState; standing: Standing }): void {
    const failed = run.outcome === 'error';
    const lines = standing === 'lost' ? [LOST] : standing === 'live' ? [] : endingLines(run);
    this.node.classList.toggle('claude-bad', failed);
    show(this.node, lines.length > 0);
    const sign = el('span', 'claude-sign', failed ? '✗' : '■');
    sign.setAttribute('aria-hidden', 'true');
    const words = lines.join('\n');
    if (this._words !== words) {
      this._words = words;
      this.node.replaceChildren(sign, el('div', '', ...lines.map(line => el('p', '', visible(line)))));
    }
  }

  dispose(): void {
    this.node.remove();
  }

  private _words = '';
}

function endingLines(run: RunState): string[] {
  const ending = run.notice || (run.outcome !== null ? (ENDINGS.get(run.outcome) ?? '') : '');
  const isNew = run.outcome === 'error' && run.error !== '' && !ending.includes(run.error);
  return [isNew ? run.error : '', ending].filter(Boolean);
}

export class Footer implements Piece<{ run: RunState; standing: Standing }> {
  readonly node = el('footer', 'claude-foot');

  constructor(private readonly _around: Surroundings) {
    this._undoBox.setAttribute('role', 'group');
    this._undoBox.setAttribute('aria-label', 'Undo edits');
    this._meter.append(this._meterFill);
    this._meter.setAttribute('aria-hidden', 'true');
    this._context.append('context ', this._meter, this._contextWords);
    this._facts.append(this._spent, el('span', 'claude-grow'), this._session, this._context, this._undo);
    this.node.append(this._facts, this._undoBox, this._cut);
  }

  update({ run, standing }: { run: RunState; standing: Standing }): void {
    const over = standing !== 'live';
    const facts = over ? spentWords(run) : [];
    if (facts.join() !== this._spent.dataset['facts']) {
      this._spent.dataset['facts'] = facts.join();
      this._spent.replaceChildren(...facts.map(fact => el('span', '', fact)));
    }
    const total = run.session_cost_usd;
    setText(this._session, total !== null && total > 0 && over ? `session ${dollars(total)}` : '');
    show(this._session, this._session.textContent !== '');
    this._updateContext(run, over);
    this._updateUndo(run, over);
    setText(this._cut, cutWords(run));
    show(this._cut, this._cut.textContent !== '');
    show(this.node, over && (facts.length > 0 || !this._context.hidden || !this._undo.hidden || !this._cut.hidden));
  }

  dispose(): void {
    this.node.remove();
  }

  private _updateContext(run: RunState, over: boolean): void {
    show(this._context, over && run.context !== null);
    if (run.context !== null) {
      const share = Math.min(100, Math.round((100 * run.context.used) / run.context.max));
      this._meterFill.style.width = `${share}%`;
      this._meter.classList.toggle('claude-full', share >= 85);
      setText(this._contextWords, ` ${share} %`);
      this._context.title = `${count(run.context.used)} of ${count(run.context.max)} tokens`;
    }
  }

  private _updateUndo(run: RunState, over: boolean): void {
    const possible = over && run.edits > 0 && this._around.host.request !== null;
    show(this._undo, possible && !(run.undo?.done ?? false));
    if (run.undo !== this._told) {
      this._told = run.undo;
      this._asking = false;
      this._undo.disabled = false;
      this._drawUndo(run.undo, possible);
    }
    show(this._undoBox, over && this._undoBox.childElementCount > 0);
  }

  private _drawUndo(undo: Undo | null, possible: boolean): void {
    this._undoBox.replaceChildren();
    if (undo === null) {
      return;
    }
    const files = plural(undo.files.length, 'file');
    if (undo.error) {
      this._undoBox.append(el('span', 'claude-warn', `Not undone: ${visible(undo.error)}`));
    } else if (undo.done) {
      this._undoBox.append(el('span', '', `✓ Restored ${files}. What commands did is not undone.`));
    } else if (possible) {
      const lines = `+${undo.insertions} −${undo.deletions}`;
      const words = el('span', '', `Restore ${files} (${lines})? What commands did is not undone.`);
      words.title = visible(undo.files.join('\n'));
      const restore = button('Restore', 'claude-main', event => {
        if (this._around.host.trusts(event)) {
          void this._ask(false);
        }
      });
      const keep = button('Keep', '', () => {
        this._undoBox.replaceChildren();
        show(this._undoBox, false);
      });
      this._undoBox.append(words, restore, keep);
    }
  }

  private async _ask(dryRun: boolean): Promise<void> {
    if (this._asking) {
      return;
    }
    this._asking = true;
    this._undo.disabled = true;
    const answer = await this._around.host.request?.({ action: 'undo', dry_run: dryRun });
    this._asking = false;
    this._undo.disabled = false;
    if (answer !== 'done') {
      this._undoBox.replaceChildren(el('span', 'claude-warn', 'The kernel no longer knows this run.'));
      show(this._undoBox, true);
    }
  }

  private _told: Undo | null = null;
  private _asking = false;
  private readonly _facts = el('div', 'claude-facts');
  private readonly _spent = el('span', 'claude-spent');
  private readonly _session = el('span');
  private readonly _context = el('span', 'claude-context');
  private readonly _contextWords = el('span');
  private readonly _meter = el('span', 'claude-meter');
  private readonly _meterFill = el('span');
  private readonly _undoBox = el('div', 'claude-undo');
  private readonly _cut = el('p', 'claude-hint');
  private readonly _undo = button('Undo edits', 'claude-quiet', () => {
    void this._ask(true);
  });
}

function spentWords(run: RunState): string[] {
  return [
    run.source || (run.simulated ? 'simulated: no model was called' : ''),
    run.duration_s > 0 ? seconds(run.duration_s) : '',
    run.ttft_s !== null ? `first token ${seconds(run.ttft_s)}` : '',
    tokenWords(run),
    run.cost_usd > 0 ? `${run.estimated ? 'about ' : ''}${dollars(run.cost_usd)}` : ''
  ].filter(Boolean);
}

function tokenWords({ usage }: RunState): string {
  const read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
  if (read === 0 && usage.output_tokens === 0) {
    return '';
  }
  const share = read > 0 ? Math.round((100 * usage.cache_read_tokens) / read) : 0;
  return `${count(read)} in${share > 0 ? ` (${share} % cached)` : ''} → ${count(usage.output_tokens)} out`;
}

function cutWords({ cut }: RunState): string {
  const left = [
    cut.characters > 0 ? plural(cut.characters, 'character') : '',
    cut.parts > 0 ? plural(cut.parts, 'part') : ''
  ].filter(Boolean);
  return left.length > 0 ? `To keep the notebook small, ${left.join(' and ')} were left out of what is stored.` : '';
}
