/** How far elements are from the visible part of what scrolls them. */

import { scrollerOf } from './follow';

/** Far enough that what comes there is drawn before it is seen, if scrolling rests. */
const NEAR = '2000px 0px';
/** So near that it must be drawn now. */
const IMMINENT = '500px 0px';

type VisibilityCallback = (isVisible: boolean, rect: DOMRectReadOnly) => void;

/** What is called with the visibility of an element: once at the beginning, and when it comes or goes. */
export interface VisibilityCallbacks {
  readonly near: VisibilityCallback;
  readonly imminent: VisibilityCallback;
}

/**
 * Margins count from the edges of the scroller only if the observer is made for just this one: whatever else clips on the
 * way to the window, such as a page's panels, would cut them off.
 */
class ScrollerObserver {
  constructor(private readonly _scroller: HTMLElement | null) {
    this._near = this._observer(NEAR, 'near');
    this._imminent = this._observer(IMMINENT, 'imminent');
  }

  observe(node: Element): void {
    this._nodes.add(node);
    for (const observer of [this._near, this._imminent]) {
      observer.unobserve(node);
      observer.observe(node);
    }
  }

  unobserve(node: Element): void {
    this._nodes.delete(node);
    this._near.unobserve(node);
    this._imminent.unobserve(node);
  }

  private _observer(margin: string, which: keyof VisibilityCallbacks): IntersectionObserver {
    const notify = (entries: IntersectionObserverEntry[]): void => {
      this._checkScroller(entries[0]?.target);
      for (const { isIntersecting, boundingClientRect, target } of entries) {
        if (this._nodes.has(target)) {
          callbacksOf.get(target)?.[which](isIntersecting, boundingClientRect);
        }
      }
    };
    return new IntersectionObserver(notify, { root: this._scroller, rootMargin: margin });
  }

  /** An element may be observed before it is on the page, or before anything scrolls: then by another observer from now on. */
  private _checkScroller(first: Element | undefined): void {
    if (first === undefined || !this._isElsewhere(first)) {
      return;
    }
    for (const node of [...this._nodes]) {
      if (this._isElsewhere(node)) {
        this.unobserve(node);
        observeIn(node, scrollerIn(node));
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

const callbacksOf = new WeakMap<Element, VisibilityCallbacks>();
const observerOf = new WeakMap<Element, ScrollerObserver>();
const observers = new WeakMap<HTMLElement, ScrollerObserver>();
let pageObserver: ScrollerObserver | null = null;

/** Call these with the visibility of an element from now on. */
export function observeVisibility(node: Element, callbacks: VisibilityCallbacks): void {
  if (typeof IntersectionObserver !== 'undefined') {
    callbacksOf.set(node, callbacks);
    observeIn(node, scrollerIn(node));
  }
}

/** Call them no more. */
export function unobserveVisibility(node: Element): void {
  observerOf.get(node)?.unobserve(node);
  observerOf.delete(node);
}

function observeIn(node: Element, scroller: HTMLElement | null): void {
  const observer = observerIn(scroller);
  observerOf.set(node, observer);
  observer.observe(node);
}

function observerIn(scroller: HTMLElement | null): ScrollerObserver {
  if (scroller === null) {
    return (pageObserver ??= new ScrollerObserver(null));
  }
  const observer = observers.get(scroller) ?? new ScrollerObserver(scroller);
  observers.set(scroller, observer);
  return observer;
}

/** The page itself has margins of its own. */
function scrollerIn(node: Element): HTMLElement | null {
  const scroller = node instanceof HTMLElement ? scrollerOf(node) : null;
  return scroller === document.scrollingElement ? null : scroller;
}
