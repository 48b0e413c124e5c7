/** The renderer of one output: stored data, or a live run where the kernel still tells about it. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { PromiseDelegate } from '@lumino/coreutils';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { Attention } from './attention';
import type { NewCell } from './cells';
import { JOIN_AFTER_MS } from './connection';
import type { Channel, Watcher } from './connection';
import type { OutputLocation, OutputLocations } from './output_locations';
import { MIME_TYPE } from './protocol';
import type { Action } from './protocol';
import { fromData } from './state';
import type { RunState } from './state';
import { RunView } from './view/run';
import type { Answer, Host } from './view/host';

/** How long after a page was opened a kernel may take to connect before a live run is called lost. */
const CONNECTS_WITHIN_MS = 4_000;

type RenderMarkdown = (node: HTMLElement, text: string, onPage: Promise<void>) => Promise<void>;

export class RunRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(
    private readonly _locations: OutputLocations,
    private readonly _renderMarkdown: RenderMarkdown
  ) {
    super();
    this.addClass('claude-output');
    this._view = new RunView(this._host());
    this.node.append(this._view.node);
    _locations.changed.connect(this._onLocations);
  }

  /** Show what the model holds; may be called any number of times. */
  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._model = model;
    this._follow();
    this._view.flush();
    return Promise.resolve();
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._locations.changed.disconnect(this._onLocations);
    clearTimeout(this._timeout);
    this._attention.dispose();
    this._channel?.watchers.delete(this._watcher);
    this._view.dispose();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._locate();
    this._onPage.resolve();
    this._follow();
  }

  /** Find out who tells about the run now, and show it. */
  private _follow(): void {
    if (this._model === null || this.isDisposed) {
      return;
    }
    this._locate();
    const data = this._model.data[MIME_TYPE];
    const stored = fromData(data);
    const channel = stored.run === '' ? null : (this._location?.connection?.channel(stored.run) ?? null);
    if (channel !== this._channel) {
      this._channel?.watchers.delete(this._watcher);
      channel?.watchers.add(this._watcher);
      this._channel = channel;
    }
    if (stored.live && channel !== null && channel.state === null) {
      channel.join(JOIN_AFTER_MS);
    }
    this._view.show({ run: channel?.state ?? stored, reachable: this._isReachable(stored.live) });
  }

  /** A notebook may draw an output before it puts it on the page: where it stands is found out whenever that may change. */
  private _locate(): void {
    this._location = this._locations.find(this.node) ?? this._location;
    this.toggleClass('claude-in-notebook', this._location?.insertCell != null);
  }

  private readonly _onLocations = (): void => {
    this._follow();
  };

  private _isReachable(live: boolean): boolean {
    if (this._channel !== null) {
      return !this._channel.lost;
    }
    if (live && this._timeout === undefined) {
      this._timeout = setTimeout(() => {
        this._outOfPatience = true;
        this._follow();
      }, CONNECTS_WITHIN_MS);
    }
    return !this._outOfPatience;
  }

  private _host(): Host {
    const request = async (action: Action): Promise<Answer> => {
      const connection = this._location?.connection ?? null;
      return connection === null || this._channel === null ? 'unreachable' : connection.request(this._channel.run, action);
    };
    const isReachable = (): boolean => this._channel !== null && !this._channel.lost && this._channel.state !== null;
    const insertCell = (cell: NewCell, runs?: boolean): boolean =>
      this._locations.find(this.node)?.insertCell?.(cell, runs) ?? false;
    const again = (): (() => void) | null => this._locations.find(this.node)?.runAgain ?? null;
    return {
      renderMarkdown: (node, text) => this._renderMarkdown(node, text, this._onPage.promise),
      get request() {
        return isReachable() ? request : null;
      },
      insertCell,
      get runAgain() {
        return again();
      },
      propose: (cell, source, answer) => this._locations.find(this.node)?.propose(cell, source, answer) ?? null,
      trusts: event => event.isTrusted
    };
  }

  /** Once when the run begins, and once for each question: a page that is loaded then finds the place to answer. */
  private _saveOnce({ live, questions }: RunState): void {
    const reasons = live ? ['begun', ...questions.map(question => question.id)] : [];
    const fresh = reasons.filter(reason => !this._savedFor.has(reason));
    if (fresh.length > 0) {
      fresh.forEach(reason => this._savedFor.add(reason));
      this._location?.save();
    }
  }

  private readonly _savedFor = new Set<string>();
  private readonly _attention = new Attention();

  private readonly _watcher: Watcher = {
    changed: () => {
      const channel = this._channel;
      if (channel?.state && !this.isDisposed) {
        this._saveOnce(channel.state);
        this._attention.update(channel.state.questions, this._location?.asked ?? null);
        this._view.show({ run: channel.state, reachable: !channel.lost });
      } else {
        this._follow();
      }
    },
    finished: (bundle: ReadonlyJSONObject) => {
      // The notebook keeps this, also when the page was loaded again after the cell had begun.
      this._model?.setData({ data: bundle });
      this._location?.tellOfChange();
    }
  };

  private readonly _view: RunView;
  private readonly _onPage = new PromiseDelegate<void>();
  private _model: IRenderMime.IMimeModel | null = null;
  private _location: OutputLocation | null = null;
  private _channel: Channel | null = null;
  private _timeout: ReturnType<typeof setTimeout> | undefined;
  private _outOfPatience = false;
}
