import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import makeWidget from '../src/widget/index';
import type { Model } from '../src/widget/index';

type Listener = (...args: never[]) => void;

const HELLO = { version: 1, run: '', action: 'hello', widget: true };

interface Sent {
  channel: string;
  header: { msg_type: string; session: string };
  content: object;
}

/** A kernel whose control channel finds what is asked of it, or says nothing. */
class FakeKernel {
  readonly clientId = 'client';
  readonly username = 'me';
  readonly sent: Sent[] = [];

  constructor(private readonly _answers = true) {}

  sendControlMessage(message: unknown): { onReply: (reply: { content: { found?: unknown } }) => void } {
    this.sent.push(message as Sent);
    const future: ReturnType<FakeKernel['sendControlMessage']> = { onReply: () => undefined };
    if (this._answers) {
      queueMicrotask(() => {
        future.onReply({ content: { found: true } });
      });
    }
    return future;
  }

  get asked(): object[] {
    return this.sent.map(message => message.content);
  }
}

/** A widget model as anywidget hands it in. */
class FakeModel implements Model {
  sent: unknown[] = [];
  traits: Record<string, unknown> = { session: 'main', run: 'r', in_cell: false };
  private _listener: Listener | null = null;

  constructor(readonly widget_manager: { kernel: FakeKernel } | null = null) {}

  get(name: string): unknown {
    return this.traits[name];
  }

  on(_name: string, listener: Listener): void {
    this._listener = listener;
  }

  off(): void {
    this._listener = null;
  }

  send(content: unknown): void {
    this.sent.push(content);
  }

  tell(message: object): void {
    (this._listener as ((message: object) => void) | null)?.(message);
  }

  get isHeard(): boolean {
    return this._listener !== null;
  }
}

let model: FakeModel;
let root: HTMLElement;

beforeEach(() => {
  model = new FakeModel();
  root = document.createElement('div');
  document.body.append(root);
});

afterEach(() => {
  document.body.replaceChildren();
  document.head.replaceChildren();
});

describe('the widget', () => {
  it('asks what there is, shows it, asks to stop, and leaves nothing behind', async () => {
    const widget = makeWidget();
    const end = widget.initialize({ model });
    const remove = widget.render({ model: new Proxy(model, {}), el: root });
    await vi.waitFor(() => {
      expect(model.sent).toEqual([HELLO, { version: 1, run: 'r', action: 'attach' }]);
    });
    expect(root.textContent).toContain('main: nothing runs now. The next prompt of this session is shown here.');

    model.tell({ type: 'snapshot', seq: 1, run: { run: 'r', live: true, session: 'main', parts: [{ type: 'note', text: 'n' }] } });
    await vi.waitFor(() => {
      expect(root.querySelector('.claude-parts .claude-note')?.textContent).toBe('n');
    });
    root.querySelector<HTMLButtonElement>('.claude-stop')?.click();
    await vi.waitFor(() => {
      expect(model.sent).toContainEqual({ version: 1, run: 'r', action: 'stop' });
    });

    remove();
    end();
    expect(root.childElementCount).toBe(0);
    expect(model.isHeard).toBe(false);
  });

  it('asks for a snapshot once where a message is missing', async () => {
    const widget = makeWidget();
    widget.initialize({ model });
    widget.render({ model: new Proxy(model, {}), el: root });
    model.tell({ type: 'snapshot', seq: 1, run: { run: 'r', live: true } });
    model.tell({ type: 'ops', seq: 3, ops: [] });
    model.tell({ type: 'ops', seq: 4, ops: [] });
    const attach = { version: 1, run: 'r', action: 'attach' };
    await vi.waitFor(() => {
      expect(model.sent).toEqual([HELLO, attach, attach]);
    });
  });

  it('asks for nothing where nothing has run', async () => {
    model.traits['run'] = '';
    const widget = makeWidget();
    widget.initialize({ model });
    widget.render({ model: new Proxy(model, {}), el: root });
    await Promise.resolve();
    expect(model.sent).toEqual([HELLO]);
    expect(root.textContent).toContain('main: nothing runs now. The next prompt of this session is shown here.');
  });

  it('says hello, attaches and stops on the control channel where there is one', async () => {
    const kernel = new FakeKernel();
    model = new FakeModel({ kernel });
    model.traits['in_cell'] = true;
    const widget = makeWidget();
    widget.initialize({ model });
    widget.render({ model: new Proxy(model, {}), el: root });
    model.tell({ type: 'snapshot', seq: 1, run: { run: 'r', live: true, session: 'main' } });
    await vi.waitFor(() => {
      expect(root.querySelector<HTMLElement>('.claude-stop')?.hidden).toBe(false);
    });
    root.querySelector<HTMLButtonElement>('.claude-stop')?.click();
    await vi.waitFor(() => {
      expect(kernel.asked).toEqual([HELLO, { version: 1, run: 'r', action: 'attach' }, { version: 1, run: 'r', action: 'stop' }]);
    });
    expect(model.sent).toEqual([]);
    expect(kernel.sent[0]).toMatchObject({ channel: 'control', header: { msg_type: 'claude_magic_request', session: 'client' } });
  });

  it('offers in a cell only what arrives while the cell runs', async () => {
    model.traits['in_cell'] = true;
    const widget = makeWidget();
    widget.initialize({ model });
    widget.render({ model: new Proxy(model, {}), el: root });
    model.tell({ type: 'snapshot', seq: 1, run: { run: 'r', live: true, session: 'main' } });
    await vi.waitFor(() => {
      expect(root.querySelector('.claude-name')?.textContent).toBe('main');
    });
    expect(root.querySelector<HTMLElement>('.claude-stop')?.hidden).toBe(true);
    expect(model.sent[0]).toEqual(HELLO);
  });

  it('leaves a cell when the run is over, and takes it well where the kernel is gone', async () => {
    model.traits['in_cell'] = true;
    const widget = makeWidget();
    widget.initialize({ model });
    const remove = widget.render({ model: new Proxy(model, {}), el: root });
    model.tell({ type: 'snapshot', seq: 1, run: { run: 'r', live: true } });
    widget.render({ model: new Proxy(model, {}), el: root })();
    await Promise.resolve();
    expect(model.sent).not.toContainEqual({ version: 1, run: 'r', action: 'leave' });

    model.tell({ type: 'final', seq: 2, run: { run: 'r', outcome: 'success' }, bundle: {} });
    const send = vi.spyOn(model, 'send').mockImplementation(() => {
      throw new Error('Cannot send');
    });
    remove();
    await vi.waitFor(() => {
      expect(send).toHaveBeenCalledWith({ version: 1, run: 'r', action: 'leave' });
    });
  });

  it('says hello as a message of the widget where the control channel is silent', async () => {
    vi.useFakeTimers();
    try {
      const kernel = new FakeKernel(false);
      model = new FakeModel({ kernel });
      makeWidget().initialize({ model });
      expect(kernel.asked).toEqual([HELLO]);
      await vi.advanceTimersByTimeAsync(1_500);
      expect(model.sent).toEqual([HELLO]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('brings its style once for a page', () => {
    const widget = makeWidget();
    widget.initialize({ model });
    widget.render({ model: new Proxy(model, {}), el: root });
    widget.render({ model: new Proxy(model, {}), el: root });
    expect(document.head.querySelectorAll('style')).toHaveLength(1);
  });
});
