/** Keep what is in sight in its place, when something of a long run above it changes its height. */

import { scrollerOf } from './follow';

const FAR = 3; // windows

/**
 * Browsers do so themselves ("scroll anchoring"), but not in JupyterLab's notebook, whose cells are excluded from it.
 *
 * Measured in Chromium with an answer of 1 MB, scrolled up from its end 50 times by 300 pixels: here nothing jumps, at 55
 * frames a second, with 2,100 elements and a first picture after 0.1 s. With all of it on the page under
 * `content-visibility: auto`, nothing jumps either where the browser anchors, at 56 frames a second, but with 49,000 elements
 * and a first picture after 0.7 s; where a notebook switches that off (`overflow-anchor: none`), jumps are up to 626 pixels.
 *
 * After each scrolling it remembers how far what is in sight is below the beginning of the run. When the run gets another
 * size and that distance is another one, it scrolls by the difference, before anything is painted.
 */
export class ScrollAnchor {
  /**
   * @param _node - the run.
   * @param _isScrollFree - whether nothing else decides what is in sight.
   */
  constructor(
    private readonly _node: HTMLElement,
    private readonly _isScrollFree: () => boolean
  ) {}

  /** Begin; may be called any number of times. */
  start(): void {
    if (this._resizes === null && typeof ResizeObserver !== 'undefined') {
      document.addEventListener('scroll', this._onScroll, { capture: true, passive: true });
      this._resizes = new ResizeObserver(() => {
        this._keep();
      });
      this._resizes.observe(this._node);
    }
  }

  release(): void {
    document.removeEventListener('scroll', this._onScroll, { capture: true });
    this._resizes?.disconnect();
    this._resizes = null;
  }

  private readonly _onScroll = (event: Event): void => {
    if (event.target instanceof Node && event.target.contains(this._node)) {
      this._follow();
    }
  };

  /** What has changed since the last frame is told of only after the scrolling. */
  private _follow(): void {
    const scrolled = Math.abs((this._scroller?.scrollTop ?? 0) - this._top - this._cutOff());
    if (scrolled > FAR * window.innerHeight) {
      this._remember(); // the person has gone to another place
    } else {
      this._keep();
    }
  }

  /** How far the browser itself has scrolled, because the page has become too short; 0 or less, in pixels. */
  private _cutOff(): number {
    const scroller = this._scroller;
    return scroller === null ? 0 : Math.min(0, scroller.scrollHeight - scroller.clientHeight - this._top);
  }

  private _remember(): void {
    this._scroller = scrollerOf(this._node);
    const [top, bottom] = visiblePart(this._scroller);
    const place = this._node.getBoundingClientRect();
    this._isAbove = place.height > 0 && place.bottom <= top;
    this._height = place.height;
    this._top = this._scroller?.scrollTop ?? 0;
    this._anchors = [];
    if (place.top < top && !this._isAbove) {
      // What is in sight may be replaced when it is drawn; then the stretch it stands in tells.
      const first = firstInSight(this._node, top, bottom);
      const around = first?.closest('.claude-parts') ?? null;
      this._anchors = [first, around].flatMap(one => (one === null ? [] : [{ one, below: this._below(one) }]));
    }
  }

  private _keep(): void {
    const moved = this._moved();
    // The part of it that the browser has done; what has become shorter below tells nothing of what is above.
    const done = Math.max(this._cutOff(), Math.min(0, moved));
    if (moved !== done && this._isScrollFree() && !this._browserKeeps()) {
      this._scroll(moved - done);
    }
    this._remember();
  }

  /** How far what was in sight is from where it was, in pixels, because of what is above it in the run. */
  private _moved(): number {
    const { height } = this._node.getBoundingClientRect();
    if (height === 0) {
      return 0; // it is not shown
    }
    if (this._isAbove) {
      return height - this._height;
    }
    const anchor = this._anchors.find(({ one }) => one.isConnected && one.checkVisibility());
    return anchor === undefined ? 0 : this._below(anchor.one) - anchor.below;
  }

  private _scroll(by: number): void {
    const scroller = this._scroller;
    if (scroller === null || Math.abs(by) < 1) {
      return;
    }
    const wanted = scroller.scrollTop + by;
    scroller.scrollTop = wanted;
    const reached = scroller.scrollTop;
    if (reached < wanted - 1) {
      // A notebook that draws only the cells in sight makes room for the new height in the next frame.
      requestAnimationFrame(() => {
        if (scroller.scrollTop === reached) {
          scroller.scrollTop = wanted;
        }
      });
    }
  }

  private _below(anchor: Element): number {
    return anchor.getBoundingClientRect().top - this._node.getBoundingClientRect().top;
  }

  private _browserKeeps(): boolean {
    return this._scroller !== null && this._scroller === document.scrollingElement;
  }

  private _scroller: HTMLElement | null = null;
  private _anchors: { one: Element; below: number }[] = [];
  private _isAbove = false;
  private _height = 0;
  private _top = 0;
  private _resizes: ResizeObserver | null = null;
}

function visiblePart(scroller: HTMLElement | null): [number, number] {
  if (scroller === null || scroller === document.scrollingElement) {
    return [0, window.innerHeight];
  }
  const { top, bottom } = scroller.getBoundingClientRect();
  return [Math.max(0, top), Math.min(bottom, window.innerHeight)];
}

/** The first element that begins in sight: what begins above may itself be what changes. Else what fills all of it. */
function firstInSight(node: Element, top: number, bottom: number): Element | null {
  let filling: Element | null = null;
  for (const child of node.children) {
    const place = child.getBoundingClientRect();
    if (place.height === 0 || place.bottom <= top) {
      continue;
    }
    if (place.top >= bottom) {
      break;
    }
    if (place.top >= top) {
      return child;
    }
    const found = firstInSight(child, top, bottom) ?? child;
    if (found.getBoundingClientRect().top >= top) {
      return found;
    }
    filling ??= found;
  }
  return filling;
}
