/** The heights of the sections that are not mounted: estimated from their text, corrected by those that were mounted. */

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

/** Something whose height is learnt from, and that is updated when the estimates have become better. */
export interface Estimated {
  readonly node: HTMLElement;
  /** The estimate of its height, in pixels, before anything was learnt. */
  readonly rawEstimate: number;
  /** The estimates have changed. */
  updateEstimate(): void;
}

/** What one run has taught about its heights. */
export class HeightEstimator {
  /** Grows when the run has another width: a height that was measured before then tells nothing. */
  get generation(): number {
    return this._generation;
  }

  /** Return how high something is likely to be, in pixels. */
  estimate(rawEstimate: number): number {
    return Math.round(rawEstimate * this._ratio);
  }

  /** This one is not mounted. */
  unmount(one: Estimated): void {
    this._unmounted.add(one);
    this._observer?.unobserve(one.node);
  }

  /** This one is mounted: learn from it. */
  mount(one: Estimated): void {
    this._unmounted.delete(one);
    this._mounted.set(one.node, one);
    this._observer?.observe(one.node);
  }

  dispose(): void {
    this._observer?.disconnect();
    clearTimeout(this._timer);
    this._unmounted.clear();
    this._measured.clear();
  }

  /** Learn from what was measured; those that are not mounted are updated when the page has come to rest. */
  learn(one: Estimated, width: number, height: number): void {
    if (width !== this._width) {
      this._width = width;
      this._generation++;
      this._measured.clear();
    }
    if (this._measured.get(one)?.[0] === one.rawEstimate) {
      return; // a reader has opened or closed something in it, which tells nothing of the others
    }
    this._measured.set(one, [one.rawEstimate, height]);
    let estimated = 0;
    let real = 0;
    for (const [rawEstimate, measured] of this._measured.values()) {
      estimated += rawEstimate;
      real += measured;
    }
    this._ratio = estimated > 0 ? real / estimated : this._ratio;
    if (Math.abs(this._ratio / this._appliedRatio - 1) > DIFFERS) {
      this._scheduleUpdate();
    }
  }

  private _scheduleUpdate(): void {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      scrollActivity.whenAtRest(this._updateEstimates);
    }, SETTLED_MS);
  }

  private readonly _updateEstimates = (): void => {
    this._appliedRatio = this._ratio;
    for (const one of this._unmounted) {
      one.updateEstimate();
    }
  };

  private _ratio = 1;
  private _appliedRatio = 1;
  private _width = 0;
  private _generation = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private readonly _unmounted = new Set<Estimated>();
  private readonly _mounted = new WeakMap<Element, Estimated>();
  private readonly _measured = new Map<Estimated, readonly [rawEstimate: number, height: number]>();
  private readonly _observer =
    typeof ResizeObserver === 'undefined'
      ? null
      : new ResizeObserver(entries => {
          for (const { target, contentRect } of entries) {
            const one = this._mounted.get(target);
            // Nothing is as high as nothing: then it is not shown.
            if (one !== undefined && contentRect.height > 0 && !this._unmounted.has(one)) {
              this.learn(one, contentRect.width, contentRect.height);
            }
          }
        });
}

/** Estimate how high items are, in pixels. */
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

/** Estimate how high Markdown is, in pixels. */
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
