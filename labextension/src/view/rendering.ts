/** What is being rendered of a run at the moment. */

import type { Host } from './host';

export class Rendering {
  /** The host, with an eye on what it renders. */
  readonly host: Host;

  constructor(host: Host) {
    this.host = Object.create(host, {
      renderMarkdown: {
        value: (node: HTMLElement, text: string) => this._follow(host.renderMarkdown(node, text))
      }
    }) as Host;
  }

  /** Return when everything that has been begun is there. */
  readonly done = async (): Promise<void> => {
    await Promise.allSettled(this._pending);
  };

  private _follow(rendered: Promise<void>): Promise<void> {
    this._pending.add(rendered);
    const forget = (): void => {
      this._pending.delete(rendered);
    };
    rendered.then(forget, forget);
    return rendered;
  }

  private readonly _pending = new Set<Promise<void>>();
}
