/** The sessions of all kernels that the page has open, with the notebook or console of each. */

import { Signal } from '@lumino/signaling';

import type { CommandReply, KernelSessions, SessionCommand } from '../kernel_sessions';
import type { KernelOfPage, OutputLocations } from '../output_locations';
import type { Session } from '../protocol';
import { standingOf } from './words';

/** The sessions of one kernel, and where it stands. */
export interface SessionsOfKernel {
  readonly kernel: KernelOfPage;
  readonly sessions: KernelSessions;
}

/** Asks a kernel to do something to a session; brings `null` where it did not, which is said. */
export type Command = (kernel: SessionsOfKernel, fields: SessionCommand) => Promise<CommandReply | null>;

export class AllSessions {
  constructor(private readonly _locations: OutputLocations) {
    _locations.changed.connect(this._look);
    this._look();
  }

  /** Emitted when sessions, or kernels, are others. */
  readonly changed = new Signal<this, void>(this);

  /** The kernels that have sessions, or may have earlier conversations. */
  get kernels(): readonly SessionsOfKernel[] {
    return this._kernels;
  }

  get all(): readonly Session[] {
    return this._kernels.flatMap(({ sessions }) => sessions.all);
  }

  /** Ask the kernels in which something works what it does now. */
  refreshWorking(): void {
    for (const { sessions } of this._kernels) {
      if (sessions.all.some(session => standingOf(session) === 'works')) {
        void sessions.refresh();
      }
    }
  }

  /** Do something to a session. */
  async command({ sessions }: SessionsOfKernel, fields: SessionCommand): Promise<CommandReply> {
    const reply = await sessions.ask.command(fields);
    await sessions.refresh();
    return reply;
  }

  private readonly _look = (): void => {
    const kernels = this._locations.kernels();
    for (const { sessions } of this._kernels) {
      sessions.watchers.delete(this._tell);
    }
    this._kernels = kernels.map(kernel => ({ kernel, sessions: kernel.connection.sessions }));
    for (const { sessions } of this._kernels) {
      if (!this._known.has(sessions)) {
        this._known.add(sessions);
        void sessions.refresh();
      }
      sessions.watchers.add(this._tell);
    }
    this._tell();
  };

  private readonly _tell = (): void => {
    this.changed.emit();
  };

  private _kernels: readonly SessionsOfKernel[] = [];
  private readonly _known = new WeakSet<KernelSessions>();
}
