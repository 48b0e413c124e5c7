/** First line of a run: whose it is, what it may do, how long it has run, and Stop. */

import type { RunState } from '../state';
import { oneLine, visible, wholeSeconds } from '../text';
import { button, el, setText, show } from './dom';
import type { Piece } from './dom';
import type { ViewContext } from './view_context';

const MODES: ReadonlyMap<string, string> = new Map([
  ['acceptEdits', 'edits files without asking'],
  ['plan', 'plans, changes nothing'],
  ['auto', 'decides itself what to ask'],
  ['dontAsk', 'refuses what is not allowed'],
  ['bypassPermissions', 'acts without asking']
]);
// That it looks at the kernel and asks before it runs code there goes without saying.
const LEVELS: ReadonlyMap<string, string> = new Map([
  ['off', 'sees nothing of the kernel'],
  ['read', 'only looks at the kernel'],
  ['run', 'runs code without asking']
]);

export class Header implements Piece<RunState> {
  readonly node = el('header', 'claude-head');

  constructor(
    private readonly _context: ViewContext,
    toQuestion: () => void
  ) {
    this._dot.setAttribute('aria-hidden', 'true');
    this._stop.title = 'Stop: keeps the text and the session';
    this._waiting = button('Waiting for you', 'claude-waiting', toQuestion);
    this._time.setAttribute('role', 'timer');
    this._time.setAttribute('aria-label', 'Time so far');
    const controls = el('span', 'claude-controls', this._waiting, this._time, this._stop);
    this.node.append(this._dot, this._name, this._model, this._mode, this._kernel, this._simulated, this._granted, controls);
    this._context.clock.add(this._tick);
  }

  update(run: RunState): void {
    this._run = run;
    const live = this._context.isLive();
    this._dot.classList.toggle('claude-live', live);
    setText(this._name, oneLine(run.session, 60) || 'claude');
    setText(this._model, modelWords(run.model));
    this._model.title = oneLine(run.model, 80);
    show(this._model, run.model !== '');
    // That it asks first goes without saying.
    show(this._mode, run.mode !== '' && run.mode !== 'default');
    setText(this._mode, MODES.get(run.mode) ?? oneLine(run.mode, 40));
    this._mode.classList.toggle('claude-warn', run.mode === 'bypassPermissions');
    show(this._kernel, LEVELS.has(run.kernel));
    setText(this._kernel, LEVELS.get(run.kernel) ?? '');
    this._kernel.classList.toggle('claude-warn', run.kernel === 'run');
    // Where no model was asked now, the first word says how: kept, or played.
    const words = run.source !== '' ? oneLine(/^[^\s,;:]*/.exec(run.source)?.[0] ?? '', 20) : 'simulated';
    setText(this._simulated, words);
    this._simulated.title = run.source !== '' ? visible(run.source) : 'No model was called';
    show(this._simulated, words !== '' && (run.simulated || run.source !== ''));
    this._showGranted(run.granted);
    show(this._waiting, live && run.questions.length > 0);
    show(this._stop, live && this._context.host.request !== null);
    show(this._time, live);
    if (!live) {
      this._stopping = false;
    }
    this._tick();
  }

  dispose(): void {
    this._context.clock.delete(this._tick);
  }

  /** What runs without asking because a person said so; each can be taken back. */
  private _showGranted(granted: readonly string[]): void {
    show(this._granted, granted.length > 0 && this._context.host.request !== null);
    if (this._listed === granted) {
      return;
    }
    this._listed = granted;
    setText(this._grantedWords, `${granted.length} allowed`);
    const rows = granted.map(label => el('li', '', el('code', '', visible(label)), this._revokeButton(label, label)));
    this._grantedList.replaceChildren(...rows);
    if (granted.length > 1) {
      this._grantedList.append(el('li', '', el('span'), this._revokeButton('', 'all of them')));
    }
    this._granted.open = this._granted.open && granted.length > 0;
  }

  private _revokeButton(label: string, what: string): HTMLButtonElement {
    const element = button(label === '' ? 'Take back all' : 'Take back', '', () => {
      void this._context.host.request?.({ action: 'revoke', grant: label });
    });
    element.setAttribute('aria-label', `Take back: ask again about ${visible(what)}`);
    return element;
  }

  private async _onStop(): Promise<void> {
    if (this._stopping) {
      return;
    }
    this._stopping = true;
    this._stop.disabled = true;
    setText(this._stopWords, 'Stopping…');
    const answer = await this._context.host.request?.({ action: 'stop' });
    if (answer !== 'done') {
      this._stopping = false;
      this._stop.disabled = false;
      setText(this._stopWords, 'Stop');
    }
  }

  private readonly _tick = (): void => {
    const started = this._run?.started ?? 0;
    if (started > 0 && !this._time.hidden) {
      setText(this._time, wholeSeconds(Math.floor(Math.max(0, this._context.now() - started))));
    }
  };

  private _run: RunState | null = null;
  private _stopping = false;
  private _listed: readonly string[] = [];
  private readonly _dot = el('span', 'claude-dot');
  private readonly _name = el('span', 'claude-name');
  private readonly _model = el('span', 'claude-model');
  private readonly _mode = el('span', 'claude-mode');
  private readonly _kernel = el('span', 'claude-mode');
  private readonly _simulated = el('span', 'claude-chip', 'simulated');
  private readonly _grantedWords = el('summary', 'claude-chip');
  private readonly _grantedList = el('ul');
  private readonly _granted = el(
    'details',
    'claude-granted',
    this._grantedWords,
    el('div', 'claude-menu-items', el('p', 'claude-hint', 'Runs in this session without asking:'), this._grantedList)
  );
  private readonly _time = el('span', 'claude-time');
  private readonly _stopWords = el('span', '', 'Stop');
  private readonly _waiting: HTMLButtonElement;
  private readonly _stop = (() => {
    const stop = button('', 'claude-stop', () => {
      void this._onStop();
    });
    const sign = el('span', 'claude-square');
    sign.setAttribute('aria-hidden', 'true');
    stop.append(sign, this._stopWords);
    return stop;
  })();
}

/** Return a model's short name: `claude-opus-4-1-20250805` is `opus 4.1`. */
export function modelWords(model: string): string {
  const match = /^claude-([a-z]+)-(\d+)(?:-(\d{1,2}))?(?:-\d{8})?$/.exec(model);
  if (match === null) {
    return oneLine(model.replace(/-\d{8}$/, ''), 40);
  }
  return [match[1], [match[2], match[3]].filter(Boolean).join('.')].join(' ');
}
