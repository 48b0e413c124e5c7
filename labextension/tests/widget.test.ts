import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import makeWidget from '../src/widget/index';
import type { Model } from '../src/widget/index';

type Listener = (...args: never[]) => void;

/** A widget model as anywidget hands it in, without a kernel to reach. */
class FakeModel implements Model {
  sent: unknown[] = [];
  private _listener: Listener | null = null;

  get(): string {
    return 'main';
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
    expect(model.sent).toEqual([{ version: 1, run: '', action: 'attach' }]);
    expect(root.textContent).toContain('main: nothing runs yet.');

    model.tell({ type: 'snapshot', seq: 1, run: { run: 'r', live: true, session: 'main', parts: [{ type: 'note', text: 'n' }] } });
    await vi.waitFor(() => {
      expect(root.querySelector('.claude-note:not([hidden])')?.textContent).toBe('n');
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

  it('asks for a snapshot once where a message is missing', () => {
    const widget = makeWidget();
    widget.initialize({ model });
    widget.render({ model: new Proxy(model, {}), el: root });
    model.tell({ type: 'snapshot', seq: 1, run: { run: 'r', live: true } });
    model.tell({ type: 'ops', seq: 3, ops: [] });
    model.tell({ type: 'ops', seq: 4, ops: [] });
    expect(model.sent.slice(1)).toEqual([{ version: 1, run: 'r', action: 'attach' }]);
  });

  it('brings its style once for a page', () => {
    const widget = makeWidget();
    widget.initialize({ model });
    widget.render({ model: new Proxy(model, {}), el: root });
    widget.render({ model: new Proxy(model, {}), el: root });
    expect(document.head.querySelectorAll('style')).toHaveLength(1);
  });
});
