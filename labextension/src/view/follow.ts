/** Keep the end of a growing run in sight, as long as the reader was looking at the end. */

const NEAR_PX = 48;
const MARGIN_PX = 16;
const LOOK_AGAIN_MS = 250; // what scrolls may change: a page becomes long, or the output gets a height of its own

/**
 * Follows the end of `node` in whatever scrolls around it. Scrolling up, or past it, lets go; scrolling back to the end
 * takes hold.
 * It never scrolls text that a person is editing out of sight.
 */
export class Follower {
  constructor(private readonly _node: HTMLElement) {}

  /**
   * Begin, before the view changes.
   *
   * @param isNew - whether there is anything to follow: a page that was loaded in the middle of a run stays where its
   *   reader left it.
   */
  start(isNew: boolean): void {
    this.release();
    this._isNew = isNew;
    this._take(scrollerOf(this._node));
    this._endWasNear = this._node.isConnected ? this._isNear('bottom') : null;
    this._follows = isNew && this._endWasNear === true;
  }

  /** Call when the view has another size, after layout. */
  grown(): void {
    const now = performance.now();
    if (this._scroller === null || now - this._looked >= LOOK_AGAIN_MS) {
      this._looked = now;
      const scroller = scrollerOf(this._node);
      if (scroller !== this._scroller) {
        this._take(scroller);
        // What was not on the page before was empty: its end was where it begins.
        this._follows = this._isNew && (this._endWasNear ?? this._isNear('top'));
      }
    }
    if (this._follows) {
      this._scrollToEnd();
    }
    this._endWasNear = this._follows || this._isNear('bottom');
  }

  /** Whether it decides what is in sight. */
  get follows(): boolean {
    return this._follows;
  }

  release(): void {
    this._scroller?.removeEventListener('scroll', this._onScroll);
    this._scroller?.removeEventListener('wheel', this._onWheel);
    this._scroller = null;
  }

  private _take(scroller: HTMLElement | null): void {
    this.release();
    this._scroller = scroller;
    scroller?.addEventListener('scroll', this._onScroll, { passive: true });
    scroller?.addEventListener('wheel', this._onWheel, { passive: true });
    this._note();
  }

  private _note(): void {
    this._top = this._scroller?.scrollTop ?? 0;
    this._height = this._scroller?.scrollHeight ?? 0;
  }

  private _scrollToEnd(): void {
    const scroller = this._scroller;
    if (scroller === null) {
      return;
    }
    if (this._isAbove(scroller) && scroller.scrollTop > this._top + 1) {
      this._follows = false; // the person has scrolled past it
      return;
    }
    const hidden = this._below(scroller) + MARGIN_PX;
    if ((hidden > MARGIN_PX || this._isAbove(scroller)) && !this._wouldHideEditing(scroller, hidden)) {
      scroller.scrollTop += hidden;
      this._note();
    }
  }

  /** Whether the end is above the visible part, because what is not mounted turned out to be lower than was estimated. */
  private _isAbove(scroller: HTMLElement): boolean {
    const { height, bottom } = this._node.getBoundingClientRect();
    return height > 0 && bottom < Math.max(0, scroller.getBoundingClientRect().top);
  }

  private readonly _onScroll = (): void => {
    const top = this._scroller?.scrollTop ?? 0;
    const shrunk = Math.max(0, this._height - (this._scroller?.scrollHeight ?? 0));
    // No person made it shorter: the browser kept what is in sight in its place.
    if (top < this._top - shrunk - 1) {
      this._follows = false;
    } else if (top > this._top + 1 && this._isNear('bottom')) {
      this._follows = true;
    }
    if (this._follows && this._scroller !== null && this._isAbove(this._scroller)) {
      this._scrollToEnd();
    }
    this._note();
  };

  private readonly _onWheel = (event: Event): void => {
    if ((event as WheelEvent).deltaY < 0) {
      this._follows = false;
    }
  };

  private _isNear(edge: 'top' | 'bottom'): boolean {
    if (!this._node.isConnected) {
      return false;
    }
    const below = this._below(this._scroller, edge);
    return below < NEAR_PX && below > -(this._scroller?.clientHeight ?? window.innerHeight);
  }

  /** How far an edge of the run is below the visible part, in pixels; negative where it is visible. */
  private _below(scroller: HTMLElement | null, edge: 'top' | 'bottom' = 'bottom'): number {
    const bottom = scroller?.getBoundingClientRect().bottom ?? window.innerHeight;
    return this._node.getBoundingClientRect()[edge] - Math.min(bottom, window.innerHeight);
  }

  private _wouldHideEditing(scroller: HTMLElement, distance: number): boolean {
    const focused = document.activeElement;
    if (!(focused instanceof HTMLElement) || this._node.contains(focused)) {
      return false;
    }
    const isEditing = focused.isContentEditable || /^(?:INPUT|TEXTAREA)$/.test(focused.tagName);
    const place = focused.getBoundingClientRect();
    const top = Math.max(0, scroller.getBoundingClientRect().top);
    const isVisible = place.bottom > top && place.top < window.innerHeight;
    return isEditing && isVisible && place.top - distance < top;
  }

  private _scroller: HTMLElement | null = null;
  private _isNew = false;
  private _follows = false;
  private _endWasNear: boolean | null = null; // unknown while it is not on the page
  private _looked = -LOOK_AGAIN_MS;
  private _top = 0;
  private _height = 0;
}

/** Return what scrolls a node up and down; `null` if nothing does. */
export function scrollerOf({ parentElement }: HTMLElement): HTMLElement | null {
  for (let node = parentElement; node !== null; node = node.parentElement) {
    const { overflowY } = getComputedStyle(node);
    if ((overflowY === 'auto' || overflowY === 'scroll') && node.scrollHeight > node.clientHeight) {
      return node;
    }
  }
  const page = document.scrollingElement;
  return page instanceof HTMLElement && page.scrollHeight > page.clientHeight ? page : null;
}
