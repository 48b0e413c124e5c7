// @vitest-environment node
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { ACKNOWLEDGED_WITHIN_MS, KernelConnection } from '../src/connection';
import type { KernelLike, Watcher } from '../src/connection';
import { COMM_TARGET } from '../src/protocol';
import type { Request } from '../src/protocol';

/** A kernel that acknowledges requests, or not. */
class FakeKernel {
  clientId = 'client';
  username = 'user';
  requests: Request[] = [];
  interrupted = 0;
  acknowledges: boolean | null = true;
  runs: unknown = undefined;
  names: unknown = undefined;
  open: (comm: Kernel.IComm, message: KernelMessage.ICommOpenMsg) => void = () => undefined;
  status: (sender: unknown, status: string) => void = () => undefined;
  statusChanged = { connect: (slot: FakeKernel['status']) => ((this.status = slot), true), disconnect: () => true };
  said: (sender: unknown, message: unknown) => void = () => undefined;
  iopubMessage = { connect: (slot: FakeKernel['said']) => ((this.said = slot), true), disconnect: () => true };
  connectionStatus = 'connected';
  connected: () => void = () => undefined;
  connectionStatusChanged = { connect: (slot: () => void) => ((this.connected = slot), true), disconnect: () => true };

  registerCommTarget(name: string, open: FakeKernel['open']): void {
    expect(name).toBe(COMM_TARGET);
    this.open = open;
  }

  removeCommTarget(): void {
    this.open = () => undefined;
  }

  sendControlMessage(message: { content: Request }): unknown {
    this.requests.push(message.content);
    const future: { onReply: (reply: unknown) => void; done: Promise<void> } = {
      onReply: () => undefined,
      done: Promise.resolve()
    };
    queueMicrotask(() => {
      if (this.acknowledges !== null) {
        future.onReply({ content: { status: 'ok', found: this.acknowledges, runs: this.runs, names: this.names } });
      }
    });
    return future;
  }

  interrupt(): Promise<void> {
    this.interrupted++;
    return Promise.resolve();
  }

  /** Open a comm as the kernel does; return how to speak on it, and what was said to it. */
  comm(data: object): { tell(message: object): void; heard: unknown[] } {
    const heard: unknown[] = [];
    const comm: { isDisposed: boolean; onMsg: (message: unknown) => unknown; send: (content: unknown) => unknown } = {
      isDisposed: false,
      onMsg: () => undefined,
      send: content => heard.push(content)
    };
    this.open(comm as unknown as Kernel.IComm, { content: { data } } as unknown as KernelMessage.ICommOpenMsg);
    return { tell: message => comm.onMsg({ content: { data: message } }), heard };
  }
}

let kernel: FakeKernel;
let connection: KernelConnection;

beforeEach(() => {
  vi.useFakeTimers();
  kernel = new FakeKernel();
  connection = new KernelConnection(kernel as unknown as KernelLike);
});

afterEach(() => {
  vi.useRealTimers();
});

const snapshot = (text: string, seq = 1): object => ({
  type: 'snapshot', seq, run: { run: 'r', live: true, parts: [{ type: 'text', text }] }, questions: []
});
const watcher = (): Watcher & { changes: number; bundles: unknown[] } => {
  const seen = {
    changes: 0,
    bundles: [] as unknown[],
    changed: () => {
      seen.changes++;
    },
    finished: (bundle: unknown) => {
      seen.bundles.push(bundle);
    }
  };
  return seen;
};

describe('a connection to a kernel', () => {
  it('says hello when asked whether it is there', () => {
    kernel.comm({ version: 1, hello: true });
    expect(kernel.requests).toEqual([{ version: 1, run: '', action: 'hello' }]);
  });

  it('ignores what speaks another version', () => {
    kernel.comm({ version: 2, hello: true });
    expect(kernel.requests).toEqual([]);
  });

  it('tells its watchers what the kernel tells', () => {
    const seen = watcher();
    connection.channel('r').watchers.add(seen);
    const comm = kernel.comm({ version: 1, run: 'r' });
    comm.tell(snapshot('a'));
    comm.tell({ type: 'ops', seq: 2, ops: [['append', 0, 'b']] });
    comm.tell({ type: 'final', seq: 3, run: { run: 'r', outcome: 'success' }, bundle: { 'text/plain': 'x' } });
    expect(seen.changes).toBe(3);
    expect(seen.bundles).toEqual([{ 'text/plain': 'x' }]);
    expect(connection.channel('r').state).toMatchObject({ live: false, outcome: 'success' });
  });

  it('asks for a snapshot once where a message is missing', async () => {
    const comm = kernel.comm({ version: 1, run: 'r' });
    comm.tell(snapshot('a'));
    comm.tell({ type: 'ops', seq: 4, ops: [] });
    comm.tell({ type: 'ops', seq: 5, ops: [] });
    await vi.advanceTimersByTimeAsync(1);
    expect(kernel.requests).toEqual([{ version: 1, run: 'r', action: 'attach' }]);
    kernel.comm({ version: 1, run: 'r' }).tell(snapshot('abc', 9));
    expect(connection.channel('r').state).toMatchObject({ gap: false, seq: 9 });
  });

  it('listens to the newest comm of a run only', () => {
    const old = kernel.comm({ version: 1, run: 'r' });
    kernel.comm({ version: 1, run: 'r' }).tell(snapshot('new', 5));
    old.tell(snapshot('old', 9));
    expect(connection.channel('r').state?.parts).toEqual([{ type: 'text', text: 'new' }]);
  });

  it('asks which runs go on, and takes only what it can use', async () => {
    const run = { run: 'r', cell: 'c1' };
    kernel.runs = [run, null, 'r', { run: 'r' }, { run: '', cell: 'c1' }, { run: 'r', cell: 7 }];
    expect(await connection.runs()).toEqual([run]);
    expect(kernel.requests).toEqual([expect.objectContaining({ action: 'runs' })]);
    kernel.runs = undefined;
    expect(await connection.runs()).toEqual([]);
  });

  it('asks which runs go on when the page is connected, however long that takes', async () => {
    kernel.runs = [{ run: 'r', cell: 'c1' }];
    kernel.connectionStatus = 'connecting';
    const runs = connection.runs();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(kernel.requests).toEqual([]);
    kernel.connectionStatus = 'connected';
    kernel.connected();
    expect(await runs).toEqual([{ run: 'r', cell: 'c1' }]);
  });

  it('leaves a kernel alone that does not answer', async () => {
    kernel.acknowledges = null;
    const runs = connection.runs();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await runs).toEqual([]);
    expect(kernel.requests).toHaveLength(3);
  });

  it('joins a run only if no snapshot comes by itself', async () => {
    connection.channel('r').join(400);
    kernel.comm({ version: 1, run: 'r' }).tell(snapshot('a'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(kernel.requests).toEqual([]);
  });

  it('gives a run up that the kernel does not know', async () => {
    kernel.acknowledges = false;
    connection.channel('r').join(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(connection.channel('r').lost).toBe(true);
  });

  it('gives live runs up when the kernel goes away', () => {
    kernel.comm({ version: 1, run: 'r' }).tell(snapshot('a'));
    kernel.status(null, 'restarting');
    expect(connection.channel('r').lost).toBe(true);
  });
});

describe('a request', () => {
  it('is done when the kernel acknowledges it, and unknown when it does not know it', async () => {
    expect(await connection.request('r', { action: 'stop' })).toBe('done');
    kernel.acknowledges = false;
    expect(await connection.request('r', { action: 'stop' })).toBe('unknown');
  });

  it('goes over the comm when nobody acknowledges it', async () => {
    kernel.acknowledges = null;
    const comm = kernel.comm({ version: 1, run: 'r' });
    const answer = connection.request('r', { action: 'undo', dry_run: true });
    await vi.advanceTimersByTimeAsync(ACKNOWLEDGED_WITHIN_MS);
    expect(await answer).toBe('done');
    expect(comm.heard).toEqual([{ version: 1, run: 'r', action: 'undo', dry_run: true }]);
  });

  it('is unreachable when there is no comm either', async () => {
    kernel.acknowledges = null;
    const answer = connection.request('r', { action: 'attach' });
    await vi.advanceTimersByTimeAsync(ACKNOWLEDGED_WITHIN_MS);
    expect(await answer).toBe('unreachable');
  });

  it('to stop interrupts the kernel where nothing else works', async () => {
    kernel.acknowledges = null;
    kernel.comm({ version: 1, run: 'r' }).tell(snapshot('a'));
    const answer = connection.request('r', { action: 'stop' });
    await vi.advanceTimersByTimeAsync(2 * ACKNOWLEDGED_WITHIN_MS);
    expect(await answer).toBe('done');
    expect(kernel.interrupted).toBe(1);
  });

  it('to stop interrupts nothing when the comm was enough', async () => {
    kernel.acknowledges = null;
    const comm = kernel.comm({ version: 1, run: 'r' });
    comm.tell(snapshot('a'));
    const answer = connection.request('r', { action: 'stop' });
    await vi.advanceTimersByTimeAsync(ACKNOWLEDGED_WITHIN_MS);
    comm.tell({ type: 'final', seq: 2, run: { outcome: 'interrupted' }, bundle: {} });
    await vi.advanceTimersByTimeAsync(ACKNOWLEDGED_WITHIN_MS);
    await answer;
    expect(kernel.interrupted).toBe(0);
  });
});

describe('the names of a kernel', () => {
  it('are asked for together, and again when a cell is over', async () => {
    kernel.names = { known: { sales: 'DataFrame' }, meant: { slaes: 'sales' }, options: ['-s'] };
    expect([connection.names.get('sales'), connection.names.get('slaes')]).toEqual([null, null]);
    await vi.runAllTimersAsync();
    const asked = (): unknown[] => kernel.requests.filter(({ action }) => action === 'names').map(({ names }) => names);
    expect(asked()).toEqual([['sales', 'slaes']]);
    expect(connection.names.get('sales')).toEqual({ kind: 'DataFrame', meant: '' });
    expect(connection.names.get('slaes')).toEqual({ kind: '', meant: 'sales' });
    const idle = { header: { msg_type: 'status' }, content: { execution_state: 'idle' } };
    kernel.said(null, { ...idle, parent_header: { msg_type: 'claude_magic_request' } });
    connection.names.get('sales');
    await vi.runAllTimersAsync();
    expect(asked()).toHaveLength(1);
    kernel.said(null, { ...idle, parent_header: { msg_type: 'execute_request' } });
    expect(connection.names.get('sales')).toEqual({ kind: 'DataFrame', meant: '' });
    await vi.runAllTimersAsync();
    expect(asked()).toEqual([['sales', 'slaes'], ['sales']]);
  });
});
