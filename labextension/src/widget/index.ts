/** The same view as an anywidget, for front ends without the extension and for dashboards. */

import css from '../../style/base.css';
import { REQUEST, VERSION } from '../protocol';
import type { Action, Request } from '../protocol';
import { fromData, reduce } from '../state';
import type { RunState } from '../state';
import type { Answer } from '../view/host';
import { el } from '../view/dom';
import { RunView } from '../view/run';
import { renderMarkdown } from '../plain_markdown';

/** What anywidget hands in; the kernel is there in JupyterLab and its kin, and nowhere else. */
export interface Model {
  get(name: string): unknown;
  on(name: string, listener: (...args: never[]) => void): void;
  off(name: string, listener: (...args: never[]) => void): void;
  send(content: unknown): void;
  readonly widget_manager?: { readonly kernel?: Partial<Kernel> | null } | null;
}

interface Kernel {
  readonly clientId: string;
  readonly username: string;
  sendControlMessage(message: unknown, expectReply: boolean, disposeOnDone: boolean): Future;
}

interface Future {
  onReply: (reply: { content: { found?: unknown } }) => void;
}

const ACKNOWLEDGED_WITHIN_MS = 1_500;

/** What a widget model knows of the run that its session is at; shared by all its views. */
class Watch {
  state: RunState | null = null;
  readonly watchers = new Set<() => void>();

  constructor(private readonly _model: Model) {
    _model.on('msg:custom', this._onMessage);
    void this._greet();
  }

  /** Whether what is asked here arrives while a cell shows the run: by the control channel, or not before its end. */
  get isHeard(): boolean {
    return this._hasControl || this._model.get('in_cell') !== true;
  }

  dispose(): void {
    this._model.off('msg:custom', this._onMessage);
  }

  /** Ask for a snapshot: a page that was loaded again, or a message that is missing. */
  join(): void {
    const run = this._model.get('run');
    if (typeof run === 'string' && run !== '') {
      void this._request({ version: VERSION, run, action: 'attach' });
    }
  }

  /** Ask something about the run that is shown. */
  request(action: Action): Promise<Answer> {
    return this._request({ version: VERSION, run: this.state?.run ?? '', ...action });
  }

  private async _request(content: Request): Promise<Answer> {
    return (await this._control(content)) || this._send(content) ? 'done' : 'unreachable';
  }

  private _send(content: Request): boolean {
    try {
      this._model.send(content);
      return true;
    } catch {
      return false; // the kernel is gone, or has closed the widget
    }
  }

  /** Tell the kernel that widgets are drawn here, and learn which way it hears. */
  private async _greet(): Promise<void> {
    const hello: Request = { version: VERSION, run: '', action: 'hello', widget: true };
    this._hasControl = await this._control(hello);
    if (!this._hasControl) {
      this._send(hello);
      this._notify();
    }
  }

  private _notify(): void {
    this.watchers.forEach(notify => {
      notify();
    });
  }

  private readonly _onMessage = (message: unknown): void => {
    const before = this.state ?? fromData({});
    const after = reduce(before, message);
    if (after.gap) {
      if (!before.gap) {
        this.state = after;
        this.join();
      }
      return;
    }
    if (after !== before) {
      this.state = after;
      this._notify();
    }
  };

  /** Whether the kernel took the request from the control channel, which a running cell does not block. */
  private _control(content: Request): Promise<boolean> {
    const kernel = this._model.widget_manager?.kernel;
    const send = kernel?.sendControlMessage?.bind(kernel);
    if (send === undefined) {
      return Promise.resolve(false);
    }
    return new Promise(resolve => {
      setTimeout(() => {
        resolve(false);
      }, ACKNOWLEDGED_WITHIN_MS);
      const header = {
        msg_id: `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`,
        msg_type: REQUEST,
        session: kernel?.clientId,
        username: kernel?.username,
        date: new Date().toISOString(),
        version: '5.3'
      };
      try {
        const message = { header, parent_header: {}, channel: 'control', metadata: {}, buffers: [], content };
        send(message, true, true).onReply = reply => {
          resolve(reply.content.found === true);
        };
      } catch {
        resolve(false); // not connected
      }
    });
  }

  private _hasControl = true;
}

/** One widget: what it watches, and its views. anywidget hands each call another proxy of the same model. */
function widget(): {
  initialize: (given: { model: Model }) => () => void;
  render: (given: { model: Model; el: HTMLElement }) => () => void;
} {
  let watch: Watch | null = null;
  return {
    initialize: ({ model }) => {
      const made = new Watch(model);
      watch = made;
      return () => {
        made.dispose();
      };
    },
    render: ({ model, el: root }) => draw(watch ?? new Watch(model), model, root)
  };
}

function draw(watch: Watch, model: Model, root: HTMLElement): () => void {
  const request = (action: Action): Promise<Answer> => watch.request(action);
  const view = new RunView({
    renderMarkdown,
    get request() {
      return watch.isHeard ? request : null;
    },
    insertCell: null,
    runAgain: null,
    propose: null,
    trusts: event => event.isTrusted
  });
  const idle = el('p', 'claude-note', '');
  const box = el('div', 'claude-output claude-widget', idle, view.node);
  const update = (): void => {
    const { state } = watch;
    view.node.hidden = state === null;
    idle.hidden = state !== null;
    idle.textContent = `${String(model.get('session'))}: nothing runs now. The next prompt of this session is shown here.`;
    if (state !== null) {
      view.show({ run: state, reachable: true });
    }
  };
  addStyle(root);
  root.append(box);
  watch.watchers.add(update);
  update();
  if (watch.state === null) {
    watch.join();
  }
  return () => {
    watch.watchers.delete(update);
    if (watch.state?.live === false && model.get('in_cell') === true) {
      void watch.request({ action: 'leave' }); // the cell shows what it keeps of the run: the model is not needed now
    }
    view.dispose();
    box.remove();
  };
}

/** Put the style where it reaches the view: once into a page, once into a shadow tree. */
function addStyle(root: HTMLElement): void {
  const tree = root.getRootNode();
  const place = tree instanceof ShadowRoot ? tree : document.head;
  if (place.querySelector('style[data-claude-magic]') === null) {
    const style = el('style', '', css);
    style.dataset['claudeMagic'] = '';
    place.append(style);
  }
}

export default widget;
