/** The panel of all sessions. It follows them only while it is shown. */

import { InputDialog, Notification } from '@jupyterlab/apputils';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { SessionCommand } from '../kernel_sessions';
import type { Session, Turn } from '../protocol';
import { oneLine } from '../text';
import { button, el, KeyedChildren, setText, show } from '../view/dom';
import type { Piece } from '../view/dom';
import { copyText } from '../view/host';
import type { AllSessions, Command, SessionsOfKernel } from './all_sessions';
import { insertDraft } from '../workbench/new_prompts';
import { Conversations } from './conversations';
import { askWhatToTakeBack } from './going_back';
import { SessionCard } from './session_card';
import type { CardActions } from './session_card';
import { standingOf, summaryWords } from './words';

const NOTHING =
  'No session yet. Run a cell that begins with %%claude: its session appears here, with what it does and what waits for you.';

export class SessionPanel extends Widget {
  /**
   * @param _all - the sessions.
   * @param resumed - called with the kernel and the session that goes on with an earlier conversation.
   * @param allow - asks for leave to notify outside of the browser; `null` where there is nothing to ask.
   */
  constructor(
    private readonly _all: AllSessions,
    resumed: (kernel: SessionsOfKernel, session: string) => void,
    allow: () => (() => void) | null
  ) {
    super();
    this.addClass('claude-room');
    this._conversations = new Conversations(_all, this._command, resumed);
    this._allow = button('Also notify me outside the browser when a session waits', 'claude-room-allow', () => {
      allow()?.();
      show(this._allow, false);
    });
    show(this._allow, allow() !== null);
    const region = el('div', 'claude-room-body', this._summary, this._empty, this._groups, this._allow, this._conversations.node);
    this.node.append(region);
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Claude sessions');
    this._summary.setAttribute('role', 'status');
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._unfollow();
      this._kernels.dispose();
      super.dispose();
    }
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._all.changed.connect(this._draw);
    this._draw();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._unfollow();
  }

  private _unfollow(): void {
    this._all.changed.disconnect(this._draw);
    clearInterval(this._ticking);
    this._ticking = undefined;
  }

  private readonly _draw = (): void => {
    const kernels = this._all.kernels.filter(({ sessions }) => sessions.all.length > 0);
    this._kernels.update(kernels.map(one => ({ key: one.kernel.id, shown: one })));
    setText(this._summary, summaryWords(this._all.all));
    show(this._summary, this._summary.textContent !== '');
    show(this._empty, kernels.length === 0);
    this._conversations.update();
    const moves = this._all.all.some(session => standingOf(session) === 'works');
    if (moves && this._ticking === undefined) {
      this._ticking = setInterval(this._tick, 1_000);
    } else if (!moves) {
      clearInterval(this._ticking);
      this._ticking = undefined;
    }
  };

  /** A kernel does not tell of every tool that comes and goes: while it is looked at, it is asked. */
  private readonly _tick = (): void => {
    this._pieces.forEach(piece => piece.tick());
    this._all.refreshWorking();
  };

  private readonly _command: Command = async (kernel, fields) => {
    const reply = await this._all.command(kernel, fields);
    if (reply.problem !== '') {
      Notification.error(reply.problem, { autoClose: 8_000 });
      return null;
    }
    return reply;
  };

  private readonly _summary = el('p', 'claude-room-summary');
  private readonly _empty = el('p', 'claude-room-empty', NOTHING);
  private readonly _groups = el('div');
  private readonly _pieces = new Set<KernelPiece>();
  private readonly _kernels = new KeyedChildren<SessionsOfKernel>(this._groups, () => new KernelPiece(this._command, this._pieces));
  private readonly _conversations: Conversations;
  private readonly _allow: HTMLButtonElement;
  private _ticking: ReturnType<typeof setInterval> | undefined;
}

/** The sessions of one kernel. */
class KernelPiece implements Piece<SessionsOfKernel> {
  readonly node = el('section', 'claude-room-kernel');

  constructor(
    private readonly _command: Command,
    private readonly _alive: Set<KernelPiece>
  ) {
    this.node.append(this._title, this._list);
    _alive.add(this);
  }

  update(one: SessionsOfKernel): void {
    this._one = one;
    setText(this._title, one.kernel.title);
    this._cards.update(one.sessions.all.map(session => ({ key: session.name, shown: session })));
  }

  tick(): void {
    this._made.forEach(card => card.tick());
  }

  dispose(): void {
    this._alive.delete(this);
    this._cards.dispose();
  }

  private _do(fields: SessionCommand): void {
    if (this._one !== null) {
      void this._command(this._one, fields);
    }
  }

  /** Choose a turn, look at what would change, go back; the prompt comes back in a new cell. */
  private async _goBack(session: Session, turn: Turn): Promise<void> {
    const kernel = this._one;
    if (kernel === null) {
      return;
    }
    const command = { command: 'rewind', session: session.name, turn: turn.turn_id } as const;
    const look = await this._command(kernel, { ...command, what: 'both', dry_run: true });
    const what = look?.rewind ? await askWhatToTakeBack(look.rewind) : null;
    if (what === null) {
      return;
    }
    const done = await this._command(kernel, { ...command, what });
    if (done !== null) {
      const redo = (): void => {
        void this._command(kernel, { command: 'redo', session: session.name });
      };
      Notification.success(done.words, { autoClose: 15_000, actions: [{ label: 'Undo', callback: redo }] });
      if (what !== 'files' && kernel.kernel.notebook !== null) {
        insertDraft(kernel.kernel.notebook, look?.rewind?.prompt ?? '');
      }
    }
  }

  private async _ask(title: string, label: string, text: string, then: (text: string) => void): Promise<void> {
    const { button: pressed, value } = await InputDialog.getText({ title, label, text, okLabel: 'OK' });
    if (pressed.accept && value !== null && value.trim() !== '') {
      then(value.trim());
    }
  }

  private _actions(): CardActions {
    const names = ({ name: session }: Session): { session: string } => ({ session });
    return {
      show: session => this._one?.kernel.show(session.cell),
      stop: session => this._do({ command: 'stop', ...names(session) }),
      close: session => this._do({ command: 'close', ...names(session) }),
      fork: session => {
        void this._ask('Fork a session', `Name of the copy of ${session.name}`, `${session.name}-2`, name => {
          this._do({ command: 'fork', ...names(session), name });
        });
      },
      rename: session => {
        void this._ask('Rename a session', `New name of ${session.name}`, session.name, name => {
          this._do({ command: 'rename', ...names(session), name });
        });
      },
      copyCommand: session => {
        void copyText(session.resume).then(copied => {
          Notification.info(copied ? `Copied: ${oneLine(session.resume, 120)}` : 'It could not be copied.', { autoClose: 4_000 });
        });
      },
      edit: (session, { turn_id: turn, prompt }) => {
        void this._ask('Change a prompt that waits', 'Prompt', prompt, text => {
          this._do({ command: 'edit', ...names(session), turn, text });
        });
      },
      move: (session, { turn_id: turn }, place) => this._do({ command: 'move', ...names(session), turn, place }),
      withdraw: (session, { turn_id: turn }) => this._do({ command: 'withdraw', ...names(session), turn }),
      turns: async ({ name }) => (await this._one?.sessions.ask.turns(name)) ?? [],
      goBack: (session, turn) => {
        void this._goBack(session, turn);
      },
      sendNow: (session, { turn_id: turn }) => this._do({ command: 'steer', ...names(session), turn })
    };
  }

  private readonly _title = el('h3', 'claude-room-title');
  private readonly _list = el('ul', 'claude-room-list');
  private readonly _made = new Set<SessionCard>();
  private readonly _cards = new KeyedChildren<Session>(this._list, () => {
    const card = new SessionCard(this._actions());
    this._made.add(card);
    return card;
  });
  private _one: SessionsOfKernel | null = null;
}
