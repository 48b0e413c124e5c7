/** How high the stretches of a run are that are not drawn: guessed from their text, corrected by those that were drawn. */

import type { Keyed } from './dom';
import type { Item } from './items';
import { scrollActivity } from './scroll_activity';

const LINE = 22.4; // pixels, as on a page of usual width; what is learnt makes up for any other
const CODE_LINE = 19.5;
const LINE_CHARACTERS = 115;
const CARD = 47;
const GROUP = 32;
const DIFFERS = 0.02; // a change of the ratio that is worth another layout
const SETTLED_MS = 200; // what is drawn takes a few frames to get its height

/** Something whose height is learnt from, and that wants to know when the guesses have become better. */
export interface Estimated {
  readonly node: HTMLElement;
  /** How high it was guessed to be as it is drawn now, before anything was learnt. */
  readonly guess: number;
  /** The guesses have changed. */
  estimateAgain(): void;
}

/** What one run has taught about its heights. */
export class HeightEstimator {
  /** Grows when the run has another width: a height that was measured before then tells nothing. */
  get generation(): number {
    return this._generation;
  }

  /** Return how high something is likely to be, in pixels. */
  estimate(guess: number): number {
    return Math.round(guess * this._ratio);
  }

  /** This one is not drawn. */
  unmount(one: Estimated): void {
    this._away.add(one);
    this._observer?.unobserve(one.node);
  }

  /** This one is drawn: learn from it. */
  mount(one: Estimated): void {
    this._away.delete(one);
    this._drawn.set(one.node, one);
    this._observer?.observe(one.node);
  }

  dispose(): void {
    this._observer?.disconnect();
    clearTimeout(this._planned);
    this._away.clear();
    this._measured.clear();
  }

  /** Learn from what was measured; those that are not drawn are told when what is drawn has come to rest. */
  learn(one: Estimated, width: number, height: number): void {
    if (width !== this._width) {
      this._width = width;
      this._generation++;
      this._measured.clear();
    }
    if (this._measured.get(one)?.[0] === one.guess) {
      return; // a reader has opened or closed something in it, which tells nothing of the others
    }
    this._measured.set(one, [one.guess, height]);
    let guessed = 0;
    let real = 0;
    for (const [guess, measured] of this._measured.values()) {
      guessed += guess;
      real += measured;
    }
    this._ratio = guessed > 0 ? real / guessed : this._ratio;
    if (Math.abs(this._ratio / this._told - 1) > DIFFERS) {
      this._tell();
    }
  }

  private _tell(): void {
    clearTimeout(this._planned);
    this._planned = setTimeout(() => {
      scrollActivity.whenAtRest(this._sayAgain);
    }, SETTLED_MS);
  }

  private readonly _sayAgain = (): void => {
    this._told = this._ratio;
    for (const one of this._away) {
      one.estimateAgain();
    }
  };

  private _ratio = 1;
  private _told = 1;
  private _width = 0;
  private _generation = 0;
  private _planned: ReturnType<typeof setTimeout> | undefined;
  private readonly _away = new Set<Estimated>();
  private readonly _drawn = new WeakMap<Element, Estimated>();
  private readonly _measured = new Map<Estimated, readonly [guess: number, height: number]>();
  private readonly _observer =
    typeof ResizeObserver === 'undefined'
      ? null
      : new ResizeObserver(entries => {
          for (const { target, contentRect } of entries) {
            const one = this._drawn.get(target);
            // Nothing is as high as nothing: then it is not shown.
            if (one !== undefined && contentRect.height > 0 && !this._away.has(one)) {
              this.learn(one, contentRect.width, contentRect.height);
            }
          }
        });
}

/** Guess how high items are, in pixels. */
export function estimateHeight(items: readonly Keyed<Item>[]): number {
  return items.reduce((sum, { shown }) => sum + heightOf(shown), 0);
}

function heightOf(item: Item): number {
  switch (item.kind) {
    case 'text':
      return textHeight(item.text);
    case 'tool':
      return CARD;
    default:
      return GROUP;
  }
}

/** Guess how high Markdown is, in pixels. */
export function textHeight(text: string): number {
  let height = 0;
  let inCode = false;
  for (const line of text.split('\n')) {
    if (/^ {0,3}(?:```|~~~)/.test(line)) {
      inCode = !inCode;
      height += 22; // half of the bar and the edges of a block
    } else if (inCode) {
      height += CODE_LINE;
    } else if (line.trim() === '') {
      height += 9;
    } else {
      height += Math.ceil(line.length / LINE_CHARACTERS) * LINE + (line.startsWith('#') ? 18 : 0);
    }
  }
  return height;
}
