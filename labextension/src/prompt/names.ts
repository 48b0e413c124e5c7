/** What a kernel says of the names in a prompt: asked for in one go, kept until a cell has run. */

import type { NamesReply } from '../protocol';

/** Keys come faster than this; a name that is half typed is not asked about. */
const ASKED_AFTER_MS = 150;
const MOST_ASKED = 50;

/** What there is to say of one name. */
export interface NameState {
  /** What kind of value it has; "" if there is no such variable. */
  readonly kind: string;
  /** The variable that was probably meant; "" if there is none, or it is one itself. */
  readonly meant: string;
}

type Ask = (names: readonly string[]) => Promise<NamesReply | null>;

/** The names of one kernel. */
export class KernelNames {
  /** @param ask - asks the kernel; brings `null` where it does not answer. */
  constructor(private readonly _ask: Ask) {}

  /** Called when there is more to say, or when it may have become untrue. */
  readonly watchers = new Set<() => void>();

  /** The options that the kernel's magic has; `null` before it has said so. */
  options: ReadonlySet<string> | null = null;

  /** Return what is known of a name; `null` if nothing is yet. It never waits: names that are new are asked about soon. */
  get(name: string): NameState | null {
    const known = this._known.get(name) ?? null;
    if (known === null || this._stale.has(name)) {
      this._wanted.add(name);
      this._askSoon();
    }
    return known;
  }

  /** Ask for the options, if they are not known. */
  wantOptions(): void {
    if (this.options === null) {
      this._askSoon();
    }
  }

  /** A cell has run: what is known is shown until it is asked again. */
  forget(): void {
    this._cells++;
    this._isMute = false;
    this._stale = new Set(this._known.keys());
    this._tell();
  }

  dispose(): void {
    clearTimeout(this._timer);
    this.watchers.clear();
  }

  private _askSoon(): void {
    if (!this._isMute && !this._isAsking) {
      clearTimeout(this._timer);
      this._timer = setTimeout(() => {
        void this._askNow();
      }, ASKED_AFTER_MS);
    }
  }

  private async _askNow(): Promise<void> {
    const names = [...this._wanted].slice(0, MOST_ASKED);
    const { _cells: cells } = this;
    this._wanted.clear();
    this._isAsking = true;
    const reply = await this._ask(names);
    this._isAsking = false;
    if (reply === null) {
      this._isMute = cells === this._cells; // the magics are not loaded; the next cell may load them
      this._tell();
      return;
    }
    this.options = new Set(reply.options);
    for (const name of names) {
      this._known.set(name, { kind: reply.known[name] ?? '', meant: reply.meant[name] ?? '' });
      this._stale.delete(name);
    }
    this._tell();
  }

  private _tell(): void {
    this.watchers.forEach(watcher => {
      watcher();
    });
  }

  private readonly _known = new Map<string, NameState>();
  private readonly _wanted = new Set<string>();
  private _stale = new Set<string>();
  /** How many cells have run. */
  private _cells = 0;
  private _isMute = false;
  private _isAsking = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
