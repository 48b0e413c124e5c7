/** How far elements are from the visible part of what scrolls them. */

import { scrollerOf } from './follow';

/** Far enough that what comes there is drawn before it is seen, if scrolling rests. */
const NEAR = '2000px 0px';
/** So near that it must be drawn now. */
const IMMINENT = '500px 0px';

type Told = (isThere: boolean, at: DOMRectReadOnly) => void;

/** Who is told where an element is: once at the beginning, and when it comes or goes. */
export interface VisibilityCallbacks {
  readonly near: Told;
  readonly imminent: Told;
}

/**
 * Margins count from the edges of the scroller only if the observer is made for just this one: whatever else clips on the
 * way to the window, such as a page's panels, would cut them off.
 */
class Watcher {
  constructor(private readonly _scroller: HTMLElement | null) {
    this._near = this._observer(NEAR, 'near');
    this._imminent = this._observer(IMMINENT, 'imminent');
  }

  watch(node: Element): void {
    this._nodes.add(node);
    for (const observer of [this._near, this._imminent]) {
      observer.unobserve(node);
      observer.observe(node);
    }
  }

  forget(node: Element): void {
    this._nodes.delete(node);
    this._near.unobserve(node);
    this._imminent.unobserve(node);
  }

  private _observer(margin: string, which: keyof VisibilityCallbacks): IntersectionObserver {
    const tell = (entries: IntersectionObserverEntry[]): void => {
      this._checkScroller(entries[0]?.target);
      for (const { isIntersecting, boundingClientRect, target } of entries) {
        if (this._nodes.has(target)) {
          watching.get(target)?.[which](isIntersecting, boundingClientRect);
        }
      }
    };
    return new IntersectionObserver(tell, { root: this._scroller, rootMargin: margin });
  }

  /** An element may be watched before it is on the page, or before anything scrolls: then by another watcher from now on. */
  private _checkScroller(first: Element | undefined): void {
    if (first === undefined || !this._isElsewhere(first)) {
      return;
    }
    for (const node of [...this._nodes]) {
      if (this._isElsewhere(node)) {
        this.forget(node);
        place(node, scrollerIn(node));
      }
    }
  }

  private _isElsewhere(node: Element): boolean {
    return node.isConnected && scrollerIn(node) !== this._scroller;
  }

  private readonly _nodes = new Set<Element>();
  private readonly _near: IntersectionObserver;
  private readonly _imminent: IntersectionObserver;
}

const watching = new WeakMap<Element, VisibilityCallbacks>();
const placed = new WeakMap<Element, Watcher>();
const inside = new WeakMap<HTMLElement, Watcher>();
let inPage: Watcher | null = null;

/** Tell of this element from now on. */
export function observeVisibility(node: Element, told: VisibilityCallbacks): void {
  if (typeof IntersectionObserver !== 'undefined') {
    watching.set(node, told);
    place(node, scrollerIn(node));
  }
}

/** Tell of it no more. */
export function unobserveVisibility(node: Element): void {
  placed.get(node)?.forget(node);
  placed.delete(node);
}

function place(node: Element, scroller: HTMLElement | null): void {
  const watcher = watcherOf(scroller);
  placed.set(node, watcher);
  watcher.watch(node);
}

function watcherOf(scroller: HTMLElement | null): Watcher {
  if (scroller === null) {
    return (inPage ??= new Watcher(null));
  }
  const watcher = inside.get(scroller) ?? new Watcher(scroller);
  inside.set(scroller, watcher);
  return watcher;
}

/** The page itself has margins of its own. */
function scrollerIn(node: Element): HTMLElement | null {
  const scroller = node instanceof HTMLElement ? scrollerOf(node) : null;
  return scroller === document.scrollingElement ? null : scroller;
}
