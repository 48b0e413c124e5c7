/** The sessions of one kernel, as it last said; the kernel says when they have changed. */

import type { Conversation, Rewind, Session, Turn } from './protocol';

/** What is asked of a kernel about its sessions; `null` where it does not answer. */
export interface AskAboutSessions {
  sessions(): Promise<readonly Session[] | null>;
  conversations(): Promise<readonly Conversation[] | null>;
  /** The turns of a session that one can go back to. */
  turns(session: string): Promise<readonly Turn[] | null>;
  /** Do something to a session. */
  command(fields: SessionCommand): Promise<CommandReply>;
}

/** What became of a command. */
export interface CommandReply {
  /** What went wrong, or "". */
  readonly problem: string;
  readonly words: string;
  /** What going back would change, where only that was asked. */
  readonly rewind: Rewind | null;
}

/** Something that is done to a session, or to a prompt that waits in it. */
export interface SessionCommand {
  readonly command:
    | 'stop'
    | 'close'
    | 'fork'
    | 'rename'
    | 'resume'
    | 'withdraw'
    | 'edit'
    | 'move'
    | 'steer'
    | 'rewind'
    | 'redo';
  readonly session: string;
  readonly name?: string;
  readonly turn?: string;
  readonly text?: string;
  readonly place?: number;
  readonly what?: 'files' | 'conversation' | 'both';
  readonly dry_run?: boolean;
}

export class KernelSessions {
  constructor(readonly ask: AskAboutSessions) {}

  /** Called when they are other ones. */
  readonly watchers = new Set<() => void>();

  get all(): readonly Session[] {
    return this._all;
  }

  /** Something has changed: ask what, one request at a time. */
  async refresh(): Promise<void> {
    if (this._isAsking) {
      this._isOld = true;
      return;
    }
    this._isAsking = true;
    const epoch = this._epoch;
    const sessions = await this.ask.sessions();
    this._isAsking = false;
    if (sessions !== null && epoch === this._epoch) {
      this._isKnown = true;
      this._set(sessions);
    }
    if (this._isOld) {
      this._isOld = false;
      void this.refresh();
    }
  }

  /** A cell is over: it may have loaded the magics, which then say what changes. */
  cellOver(): void {
    if (!this._isKnown) {
      void this.refresh();
    }
  }

  /** The kernel is gone, and its sessions with it. */
  lose(): void {
    this._epoch++;
    this._isKnown = false;
    this._set([]);
  }

  dispose(): void {
    this.lose();
    this.watchers.clear();
  }

  private _set(sessions: readonly Session[]): void {
    if (sessions.length > 0 || this._all.length > 0) {
      this._all = sessions;
      this.watchers.forEach(watcher => {
        watcher();
      });
    }
  }

  private _all: readonly Session[] = [];
  private _isKnown = false;
  private _isAsking = false;
  private _isOld = false;
  /** How many kernels there were. */
  private _epoch = 0;
}
