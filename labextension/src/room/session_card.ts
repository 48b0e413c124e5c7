/** One session in the panel: how it stands, what it does, what it took, and what can be done with it. */

import type { QueuedPrompt, Session, Turn } from '../protocol';
import { oneLine, plural, visible } from '../text';
import { button, el, KeyedChildren, setText, show } from '../view/dom';
import type { Piece } from '../view/dom';
import { dayWords, standingOf, standingWords, tookWords } from './words';

/** What the buttons of a card do. */
export interface CardActions {
  show(session: Session): void;
  stop(session: Session): void;
  close(session: Session): void;
  fork(session: Session): void;
  rename(session: Session): void;
  copyCommand(session: Session): void;
  edit(session: Session, prompt: QueuedPrompt): void;
  withdraw(session: Session, prompt: QueuedPrompt): void;
  /** Give a prompt that waits another place, the first is 1. */
  move(session: Session, prompt: QueuedPrompt, place: number): void;
  sendNow(session: Session, prompt: QueuedPrompt): void;
  turns(session: Session): Promise<readonly Turn[]>;
  goBack(session: Session, turn: Turn): void;
}

interface Queued {
  readonly session: Session;
  readonly prompt: QueuedPrompt;
  /** Its place among those that wait, the first is 0. */
  readonly at: number;
}

export class SessionCard implements Piece<Session> {
  readonly node = el('li', 'claude-card');

  constructor(private readonly _actions: CardActions) {
    const act = (label: string, title: string, run: (session: Session) => void): HTMLButtonElement => {
      const made = button(label, 'claude-quiet', () => {
        if (this._session !== null) {
          run(this._session);
        }
      });
      made.title = title;
      return made;
    };
    this._name = act('', 'Show its cell', session => _actions.show(session));
    this._name.classList.add('claude-card-name');
    this._stop = act('Stop', 'End what it does now; the text and the session stay', session => _actions.stop(session));
    this._fork = act('Fork', 'Begin another session as a copy of it', session => _actions.fork(session));
    this._copy = act('Copy command', 'Copy the command that goes on with it in a terminal', session => _actions.copyCommand(session));
    this._back = act('Go back', 'Show its turns, and go back to before one of them', session => {
      void this._showTurns(session);
    });
    const rename = act('Rename', 'Give it another name', session => _actions.rename(session));
    const close = act('Close', 'End it, and what it started', session => _actions.close(session));
    const head = el('div', 'claude-card-head', el('span', 'claude-card-dot'), this._name, this._standing);
    const actions = el('div', 'claude-card-actions', this._stop, this._back, this._fork, rename, this._copy, close);
    this.node.append(head, this._doing, this._queue, this._took, actions, this._turns);
    this._back.setAttribute('aria-expanded', 'false');
    show(this._turns, false);
  }

  update(session: Session): void {
    this._session = session;
    const standing = standingOf(session);
    this.node.dataset['standing'] = standing;
    setText(this._name, visible(session.name));
    this.tick();
    const isAtWork = standing === 'works' || standing === 'waits';
    setText(this._doing, oneLine(isAtWork ? [session.doing, session.prompt].filter(Boolean).join(' — ') : session.prompt, 160));
    show(this._doing, this._doing.textContent !== '');
    setText(this._took, tookWords(session));
    this._took.title = session.folder;
    show(this._stop, isAtWork);
    show(this._fork, !isAtWork && session.session_id !== '');
    show(this._back, !isAtWork && session.turns > 0);
    if (isAtWork || session.turns !== this._turnsShown) {
      this._hideTurns();
    }
    show(this._copy, session.resume !== '');
    this._prompts.update(session.queue.map((prompt, at) => ({ key: prompt.turn_id, shown: { session, prompt, at } })));
    show(this._queue, session.queue.length > 0);
  }

  /** Show the turns that one can go back to, or hide them. */
  private async _showTurns(session: Session): Promise<void> {
    if (!this._turns.hidden) {
      this._hideTurns();
      return;
    }
    const turns = [...(await this._actions.turns(session))].reverse();
    this._turnsShown = session.turns;
    this._turns.replaceChildren(...turns.map(turn => this._turn(session, turn)));
    if (turns.length === 0) {
      this._turns.append(el('li', 'claude-card-doing', 'There is no turn to go back to.'));
    }
    show(this._turns, true);
    this._back.setAttribute('aria-expanded', 'true');
  }

  private _hideTurns(): void {
    show(this._turns, false);
    this._back.setAttribute('aria-expanded', 'false');
  }

  private _turn(session: Session, turn: Turn): HTMLElement {
    const files = turn.files.length > 0 ? plural(turn.files.length, 'edited file') : '';
    const lost = turn.not_restorable.length > 0 ? `${plural(turn.not_restorable.length, 'file')} not restorable` : '';
    const choose = button('', 'claude-earlier-one', () => {
      this._actions.goBack(session, turn);
    });
    choose.append(
      el('span', 'claude-earlier-title', `${turn.turn}. ${oneLine(turn.prompt, 80)}`),
      el('span', 'claude-earlier-where', [dayWords(turn.started, new Date()), files, lost].filter(Boolean).join(' · '))
    );
    choose.title = 'See what going back to before this turn would change';
    return el('li', '', choose);
  }

  /** Time has passed. */
  tick(): void {
    if (this._session !== null) {
      setText(this._standing, visible(standingWords(this._session, Date.now() / 1_000)));
    }
  }

  dispose(): void {
    this._prompts.dispose();
  }

  private readonly _standing = el('span', 'claude-card-standing');
  private readonly _doing = el('p', 'claude-card-doing');
  private readonly _took = el('p', 'claude-card-took');
  private readonly _queue = el('ol', 'claude-card-queue');
  private readonly _prompts = new KeyedChildren<Queued>(this._queue, () => new QueuedPiece(this._actions));
  private readonly _turns = el('ol', 'claude-card-turns');
  private _turnsShown = -1;
  private readonly _back: HTMLButtonElement;
  private readonly _name: HTMLButtonElement;
  private readonly _stop: HTMLButtonElement;
  private readonly _fork: HTMLButtonElement;
  private readonly _copy: HTMLButtonElement;
  private _session: Session | null = null;
}

/** A prompt that waits. */
class QueuedPiece implements Piece<Queued> {
  readonly node = el('li');

  constructor(actions: CardActions) {
    const act = (label: string, title: string, run: (queued: Queued) => void): HTMLButtonElement => {
      const made = button(label, 'claude-quiet', () => {
        if (this._queued !== null) {
          run(this._queued);
        }
      });
      made.title = title;
      return made;
    };
    this._now = act('Send now', 'Claude reads it with its next step', ({ session, prompt }) => actions.sendNow(session, prompt));
    this._up = act('Up', 'Send it one place earlier', ({ session, prompt, at }) => actions.move(session, prompt, at));
    this.node.append(
      this._words,
      el(
        'div',
        'claude-card-actions',
        this._now,
        this._up,
        act('Edit', 'Change it before it is sent', ({ session, prompt }) => actions.edit(session, prompt)),
        act('Withdraw', 'Do not send it', ({ session, prompt }) => actions.withdraw(session, prompt))
      )
    );
  }

  update(queued: Queued): void {
    this._queued = queued;
    setText(this._words, oneLine(queued.prompt.prompt, 160));
    show(this._now, !queued.prompt.steers);
    show(this._up, queued.at > 0);
  }

  dispose(): void {
    // It holds nothing.
  }

  private readonly _words = el('span');
  private readonly _now: HTMLButtonElement;
  private readonly _up: HTMLButtonElement;
  private _queued: Queued | null = null;
}
