/** Last lines of a run: how it ended and what to do next, what it took, and undoing its edits. */

import type { RunState } from '../state';
import { count, dollars, oneLine, plural, seconds, visible } from '../text';
import { button, el, setText, show } from './dom';
import type { Piece } from './dom';
import type { ViewContext } from './view_context';
import { UndoCells, UndoEdits } from './undo';

/** Whether the run is known to have ended, goes on, or neither is known. */
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

  constructor(private readonly _context: ViewContext) {
    const again = button('Try again', 'claude-again', event => {
      if (_context.host.trusts(event)) {
        _context.host.runAgain?.();
      }
    });
    again.title = 'Run this cell again: sends the prompt once more, in the same session';
    this._again = again;
  }

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
      this.node.replaceChildren(sign, el('div', '', ...lines.map(line => el('p', '', visible(line)))), this._again);
    }
    // Only in the kernel that ran it is the session still there.
    const isTheSame = this._context.host.request !== null && this._context.host.runAgain !== null;
    show(this._again, standing === 'over' && (failed || run.outcome === 'timeout') && isTheSame);
  }

  dispose(): void {
    this.node.remove();
  }

  private _words = '';
  private readonly _again: HTMLButtonElement;
}

function endingLines(run: RunState): string[] {
  const ending = run.notice || (run.outcome !== null ? (ENDINGS.get(run.outcome) ?? '') : '');
  const isNew = run.outcome === 'error' && run.error !== '' && !ending.includes(run.error);
  return [isNew ? run.error : '', ending].filter(Boolean);
}

/**
 * What a run took: one line, in the order of what people look for. What the line has no room for it leaves out; opened,
 * it tells everything in words.
 */
export class Footer implements Piece<{ run: RunState; standing: Standing }> {
  readonly node = el('footer', 'claude-foot');

  constructor(context: ViewContext) {
    this._undo = new UndoEdits(context);
    this._undoCells = new UndoCells(context);
    this._took.append(el('summary', '', this._line), this._all);
    this._took.addEventListener('toggle', () => {
      this._drawAll();
    });
    this.node.append(el('div', 'claude-facts', this._took, this._undo.button, this._undoCells.button), this._undo.row, this._undoCells.row, this._cut);
  }

  update({ run, standing }: { run: RunState; standing: Standing }): void {
    const over = standing !== 'live';
    const facts = over ? factSpans(run) : [];
    const words = facts.map(fact => fact.textContent).join('|');
    if (words !== this._words) {
      this._words = words;
      this._line.replaceChildren(...facts);
    }
    this._run = run;
    this._drawAll();
    show(this._took, facts.length > 0);
    this._undo.update(run, over);
    this._undoCells.update(run, over);
    setText(this._cut, cutWords(run));
    show(this._cut, this._cut.textContent !== '');
    show(this.node, over && (facts.length > 0 || run.edits > 0 || !this._cut.hidden));
  }

  dispose(): void {
    this.node.remove();
  }

  private _drawAll(): void {
    if (this._took.open && this._run !== null) {
      this._all.replaceChildren(
        ...allFacts(this._run).flatMap(([name, words]) => [el('dt', '', name), el('dd', '', visible(words))])
      );
    }
  }

  private _run: RunState | null = null;
  private _words = '';
  private readonly _took = el('details', 'claude-took');
  private readonly _line = el('span', 'claude-spent');
  private readonly _all = el('dl', 'claude-fields');
  private readonly _cut = el('p', 'claude-hint');
  private readonly _undo: UndoEdits;
  private readonly _undoCells: UndoCells;
}

const CONTEXT_FROM_PERCENT = 50;
const SMALLEST_COST_USD = 0.000_05; // four digits show it

/** What a reader wants to know at a glance, most wanted first; opened, the footer tells everything. */
function factSpans(run: RunState): HTMLElement[] {
  const facts = [el('span', '', visible(run.source)), el('span', '', timeWords(run))];
  if (!run.simulated) {
    const total = run.session_cost_usd ?? 0;
    const more = total - run.cost_usd >= SMALLEST_COST_USD;
    facts.push(el('span', '', costWords(run)), el('span', '', more ? `session ${dollars(total)}` : ''));
  }
  if (run.context !== null && contextShare(run.context) >= CONTEXT_FROM_PERCENT) {
    facts.push(contextSpan(contextShare(run.context)));
  }
  return facts.filter(fact => fact.textContent !== '');
}

function timeWords({ duration_s: took, waited_s: waited }: RunState): string {
  if (took <= 0) {
    return '';
  }
  return waited < 1 ? seconds(took) : `${seconds(Math.max(0, took - waited))} + ${seconds(waited)} waiting for you`;
}

function tokensRead(usage: RunState['usage']): number {
  return usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
}

function costWords(run: RunState): string {
  return run.cost_usd > 0 ? `${run.estimated ? 'about ' : ''}${dollars(run.cost_usd)}` : '';
}

function contextSpan(share: number): HTMLElement {
  const fill = el('span');
  fill.style.width = `${share}%`;
  const meter = el('span', `claude-meter${share >= 85 ? ' claude-full' : ''}`, fill);
  meter.setAttribute('aria-hidden', 'true');
  return el('span', 'claude-context', 'context ', meter, ` ${share} %`);
}

function contextShare({ used, max }: { used: number; max: number }): number {
  return Math.min(100, Math.round((100 * used) / max));
}

/** Everything there is to tell, by name. */
function allFacts(run: RunState): [string, string][] {
  const { usage, context } = run;
  const total = run.session_cost_usd ?? 0;
  const parts = [
    usage.cache_read_tokens > 0 ? `${count(usage.cache_read_tokens)} from the cache` : '',
    usage.cache_write_tokens > 0 ? `${count(usage.cache_write_tokens)} put into the cache` : ''
  ].filter(Boolean);
  const read = tokensRead(usage);
  const cost = costWords(run) + (run.cost_usd > 0 && run.simulated ? ', had a model been called' : '');
  const facts: [string, string][] = [
    ['Answered by', run.source || (run.simulated ? 'the simulator: no model was called' : '')],
    ['Model', oneLine(run.model, 80)],
    ['Time', timeWords(run)],
    ['First token', run.ttft_s !== null ? `after ${seconds(run.ttft_s)}` : ''],
    ['Read', read > 0 ? [plural(read, 'token'), ...parts].join(', ') : ''],
    ['Written', usage.output_tokens > 0 ? plural(usage.output_tokens, 'token') : ''],
    ['This turn', cost],
    ['The session', total > 0 ? dollars(total) : ''],
    ['Context', context !== null ? `${count(context.used)} of ${count(context.max)} tokens, ${contextShare(context)} %` : '']
  ];
  return facts.filter(([, words]) => words !== '');
}

function cutWords({ cut }: RunState): string {
  const left = [
    cut.characters > 0 ? plural(cut.characters, 'character') : '',
    cut.parts > 0 ? plural(cut.parts, 'part') : ''
  ].filter(Boolean);
  return left.length > 0 ? `To keep the notebook small, ${left.join(' and ')} were left out of what is stored.` : '';
}
