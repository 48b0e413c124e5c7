/**
 * The connection to a kernel: comms that tell runs, requests that a running cell does not block.
 *
 * Nothing here needs JupyterLab at run time: the kernel connection is handed in.
 */

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';
import type { JSONObject, ReadonlyJSONObject } from '@lumino/coreutils';

import { COMM_TARGET, REQUEST, VERSION } from './protocol';
import { KernelSessions } from './kernel_sessions';
import type {
  Action,
  CellsReply,
  CellsRequest,
  Conversation,
  NamesReply,
  Request,
  Rewind,
  Session,
  Turn
} from './protocol';
import { KernelNames } from './prompt/names';
import { fromData, reduce } from './state';
import type { RunState } from './state';
import type { Answer } from './view/host';

/** How long the kernel may take to acknowledge a request on the control channel. */
export const ACKNOWLEDGED_WITHIN_MS = 1_500;
/** How long the kernel may take to answer what it has to look up, or to do. */
const ANSWERED_WITHIN_MS = 15_000;
/** How long a snapshot may take that comes by itself, before the page asks for one. */
export const JOIN_AFTER_MS = 400;

/** How often a page asks for the runs that go on. A kernel in which the magics are not loaded does not answer. */
const MOST_ASKED = 3;

const GONE: ReadonlySet<string> = new Set(['restarting', 'autorestarting', 'terminating', 'dead']);

/** The part of a kernel connection that is used here. */
export type KernelLike = Pick<
  Kernel.IKernelConnection,
  'clientId' | 'username' | 'connectionStatus' | 'registerCommTarget' | 'removeCommTarget' | 'sendControlMessage' | 'interrupt'
> & {
  readonly statusChanged: StatusSignal;
  readonly connectionStatusChanged: StatusSignal;
  readonly iopubMessage: MessageSignal;
};

interface MessageSignal {
  connect(slot: (sender: unknown, message: KernelMessage.IIOPubMessage) => void): boolean;
  disconnect(slot: (sender: unknown, message: KernelMessage.IIOPubMessage) => void): boolean;
}

interface StatusSignal {
  connect(slot: (sender: unknown, status: string) => void): boolean;
  disconnect(slot: (sender: unknown, status: string) => void): boolean;
}

/** A run that goes on, and the cell below which it stands. */
export interface RunOfCell {
  readonly run: string;
  readonly cell: string;
}

/** Who wants to know of a run. */
export interface Watcher {
  /** The run changed, or whether it can be reached. */
  changed(): void;
  /** The run is over: this is what the notebook shall keep. */
  finished(bundle: ReadonlyJSONObject): void;
}

/** What is known of one run of a kernel. */
export class Channel {
  /** Its state; `null` until the kernel told. */
  state: RunState | null = null;
  /** Whether the kernel does not know the run, or is gone. */
  lost = false;
  readonly watchers = new Set<Watcher>();
  comm: Kernel.IComm | null = null;

  constructor(
    readonly run: string,
    private readonly _attach: () => Promise<Answer>
  ) {}

  /** Apply one message of the kernel; where one is missing, ask for a snapshot. */
  receive(message: unknown): void {
    const before = this.state ?? fromData({ run: this.run });
    const after = reduce(before, message);
    if (after.gap) {
      this.state = this.state === null ? null : after;
      this.join(0);
      return;
    }
    if (after === before) {
      return;
    }
    this.state = after;
    this.lost = false;
    this._stopWaiting();
    this.notify();
    const { type, bundle } = message as { type?: unknown; bundle?: unknown };
    if (type === 'final' && typeof bundle === 'object' && bundle !== null && Object.keys(bundle).length > 0) {
      this.watchers.forEach(watcher => {
        watcher.finished(bundle as ReadonlyJSONObject);
      });
    }
  }

  /** Ask for a snapshot, unless one comes by itself before `afterMs`. */
  join(afterMs: number): void {
    if (this._waiting === undefined && !this._asking && !this.lost) {
      this._waiting = setTimeout(() => {
        this._waiting = undefined;
        void this._ask();
      }, afterMs);
    }
  }

  /** The kernel is gone, or knows nothing of the run. */
  lose(): void {
    this._stopWaiting();
    this.comm = null;
    if (!this.lost && this.state?.live !== false) {
      this.lost = true;
      this.notify();
    }
  }

  notify(): void {
    this.watchers.forEach(watcher => {
      watcher.changed();
    });
  }

  private async _ask(): Promise<void> {
    this._asking = true;
    const answer = await this._attach();
    this._asking = false;
    if (answer !== 'done') {
      this.lose();
    }
  }

  private _stopWaiting(): void {
    clearTimeout(this._waiting);
    this._waiting = undefined;
  }

  private _waiting: ReturnType<typeof setTimeout> | undefined;
  private _asking = false;
}

/** All runs of one kernel that this page knows of. */
export class KernelConnection {
  constructor(private readonly _kernel: KernelLike) {
    _kernel.registerCommTarget(COMM_TARGET, this._onOpen);
    _kernel.statusChanged.connect(this._onStatus);
    _kernel.iopubMessage.connect(this._onMessage);
  }

  /** Reads or changes the cells of the notebook of this kernel; `null` where there is none. */
  onCells: (request: CellsRequest) => Promise<CellsReply | null> = () => Promise.resolve(null);

  dispose(): void {
    this._kernel.removeCommTarget(COMM_TARGET, this._onOpen);
    this._kernel.statusChanged.disconnect(this._onStatus);
    this._kernel.iopubMessage.disconnect(this._onMessage);
    this.names.dispose();
    this.sessions.dispose();
    this._loseAll();
  }

  /** Whether a question of a session stands in a view of this page, which announces it itself. */
  isShown(session: string): boolean {
    return [...this._channels.values()].some(
      ({ state, watchers }) => watchers.size > 0 && state?.session === session && state.questions.length > 0
    );
  }

  /** Return the channel of a run; a new one knows nothing yet. */
  channel(run: string): Channel {
    let channel = this._channels.get(run);
    if (channel === undefined) {
      channel = new Channel(run, () => this.request(run, { action: 'attach' }));
      this._channels.set(run, channel);
    }
    return channel;
  }

  /**
   * Ask something of the kernel: on the control channel, else on the run's comm, and to stop a run at last by interrupt.
   *
   * @returns `done` when the kernel acknowledged it or there was no better way to tell.
   */
  async request(run: string, action: Action): Promise<Answer> {
    const content: Request = { version: VERSION, run, ...action };
    const reply = await this._control(content);
    if (reply !== null) {
      return reply.found === true ? 'done' : 'unknown';
    }
    const channel = this.channel(run);
    const sent = this._onComm(channel, content);
    if (action.action === 'stop') {
      await this._stopSurely(channel, sent);
      return 'done';
    }
    return sent ? 'done' : 'unreachable';
  }

  /** Ask the kernel which runs go on, once the page is connected to it. Empty where nothing is said. */
  async runs(): Promise<readonly RunOfCell[]> {
    await this._connected();
    let reply: Reply | null = null;
    for (let asked = 0; reply === null && asked < MOST_ASKED; asked++) {
      reply = await this._control({ version: VERSION, run: '', action: 'runs' });
    }
    const runs = Array.isArray(reply?.runs) ? (reply.runs as unknown[]) : [];
    return runs.filter(isRunOfCell);
  }

  /** What is known of the variables of the kernel. */
  readonly names = new KernelNames(async names => {
    await this._connected();
    const reply = await this._control({ version: VERSION, run: '', action: 'names', names });
    const said = reply?.names as NamesReply | undefined;
    return said ?? null;
  });

  /** What is known of the sessions of the kernel. */
  readonly sessions = new KernelSessions({
    sessions: async () => {
      await this._connected();
      const reply = await this._control({ version: VERSION, run: '', action: 'sessions', watch: true });
      return Array.isArray(reply?.sessions) ? (reply.sessions as Session[]) : null;
    },
    conversations: async () => {
      const reply = await this._control({ version: VERSION, run: '', action: 'conversations' }, ANSWERED_WITHIN_MS);
      return Array.isArray(reply?.conversations) ? (reply.conversations as Conversation[]) : null;
    },
    turns: async session => {
      const reply = await this._control({ version: VERSION, run: '', action: 'turns', session }, ANSWERED_WITHIN_MS);
      return Array.isArray(reply?.turns) ? (reply.turns as Turn[]) : null;
    },
    command: async fields => {
      const reply = await this._control({ version: VERSION, run: '', action: 'command', ...fields }, ANSWERED_WITHIN_MS);
      const text = (value: unknown): string => (typeof value === 'string' ? value : '');
      return {
        problem: reply === null ? 'The kernel does not answer.' : text(reply.problem),
        words: text(reply?.words),
        rewind: (reply?.rewind as Rewind | undefined) ?? null
      };
    }
  });

  private _connected(): Promise<void> {
    const kernel = this._kernel;
    return new Promise(resolve => {
      const look = (): void => {
        if (kernel.connectionStatus === 'connected') {
          kernel.connectionStatusChanged.disconnect(look);
          resolve();
        }
      };
      kernel.connectionStatusChanged.connect(look);
      look();
    });
  }

  private _control(content: Request, withinMs = ACKNOWLEDGED_WITHIN_MS): Promise<Reply | null> {
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        resolve(null);
      }, withinMs);
      const settle = (reply: Reply | null): void => {
        clearTimeout(timer);
        resolve(reply);
      };
      try {
        const future = this._kernel.sendControlMessage(this._message(content), true, true);
        future.onReply = reply => {
          settle(reply.content as unknown as Reply);
        };
        future.done.catch(() => {
          settle(null);
        });
      } catch {
        settle(null); // not connected
      }
    });
  }

  private _message(content: Request): KernelMessage.IControlMessage {
    const header = {
      msg_id: UUID.uuid4(),
      msg_type: REQUEST,
      session: this._kernel.clientId,
      username: this._kernel.username,
      date: new Date().toISOString(),
      version: '5.3'
    };
    // The message type is our own, which the types of JupyterLab do not know.
    return { header, parent_header: {}, channel: 'control', metadata: {}, buffers: [], content } as unknown as KernelMessage.IControlMessage;
  }

  private _onComm(channel: Channel, content: Request): boolean {
    if (channel.comm === null || channel.comm.isDisposed) {
      return false;
    }
    try {
      channel.comm.send(content as unknown as JSONObject);
      return true;
    } catch {
      return false; // not connected
    }
  }

  /** A comm message is not read while a cell blocks the kernel; an interrupt always arrives. */
  private async _stopSurely(channel: Channel, sent: boolean): Promise<void> {
    if (sent) {
      await new Promise(resolve => setTimeout(resolve, ACKNOWLEDGED_WITHIN_MS));
    }
    if (!sent || channel.state?.live === true) {
      await this._kernel.interrupt();
    }
  }

  /** Only the page that ran the prompt's cell answers: another window has a copy of the notebook of its own. */
  private async _answerCells(request: CellsRequest): Promise<void> {
    const cells = request.client === this._kernel.clientId ? await this.onCells(request) : null;
    if (cells !== null) {
      await this._control({ version: VERSION, run: '', action: 'cells', question: request.id, cells });
    }
  }

  private readonly _onOpen = (comm: Kernel.IComm, message: KernelMessage.ICommOpenMsg): void => {
    const data = message.content.data as Opening;
    if (data.version !== VERSION) {
      return;
    }
    if (data.changed === true) {
      void this.sessions.refresh();
      return;
    }
    if (data.cells !== undefined) {
      void this._answerCells(data.cells as CellsRequest);
      return;
    }
    if (data.hello === true) {
      void this._control({ version: VERSION, run: '', action: 'hello' });
      return;
    }
    if (typeof data.run !== 'string' || data.run === '') {
      return;
    }
    const channel = this.channel(data.run);
    channel.comm = comm;
    comm.onMsg = message => {
      // A newer comm of the same run has taken over.
      if (channel.comm === comm) {
        channel.receive(message.content.data);
      }
    };
    comm.onClose = () => {
      channel.comm = channel.comm === comm ? null : channel.comm;
    };
  };

  private readonly _onStatus = (_: unknown, status: string): void => {
    if (GONE.has(status)) {
      this.sessions.lose();
      this._loseAll();
    }
  };

  /** A cell is over. The kernel also says "idle" after each request of ours. */
  private readonly _onMessage = (_: unknown, { header, parent_header: parent, content }: KernelMessage.IIOPubMessage): void => {
    const isOver = header.msg_type === 'status' && (content as { execution_state?: string }).execution_state === 'idle';
    if (isOver && 'msg_type' in parent && parent.msg_type === 'execute_request') {
      this.names.forget();
      this.sessions.cellOver();
    }
  };

  private _loseAll(): void {
    this._channels.forEach(channel => {
      channel.lose();
    });
  }

  private readonly _channels = new Map<string, Channel>();
}

/** What a comm says when the kernel opens it. */
interface Opening {
  readonly version?: unknown;
  readonly hello?: unknown;
  readonly run?: unknown;
  readonly cells?: unknown;
  readonly changed?: unknown;
}

interface Reply {
  readonly found?: unknown;
  readonly runs?: unknown;
  readonly names?: unknown;
  readonly sessions?: unknown;
  readonly conversations?: unknown;
  readonly turns?: unknown;
  readonly problem?: unknown;
  readonly words?: unknown;
  readonly rewind?: unknown;
}

function isRunOfCell(value: unknown): value is RunOfCell {
  const { run, cell } = (value ?? {}) as { run?: unknown; cell?: unknown };
  return typeof run === 'string' && run !== '' && typeof cell === 'string' && cell !== '';
}
