/** A stretch of a run that is on the page only while it is near the visible part; elsewhere it keeps its place. */

import type { Item, SectionItem } from './arrange';
import { el, KeyedChildren } from './dom';
import type { Piece } from './dom';

const MARGIN = '1200px 0px';

export class Section implements Piece<SectionItem> {
  readonly node = el('div', 'claude-parts');

  constructor(make: (item: Item) => Piece<Item>) {
    this._children = new KeyedChildren(this.node, make);
  }

  update(shown: SectionItem): void {
    const before = this._shown;
    this._shown = shown;
    if (before === null) {
      this._begin(shown);
    } else if (shown.isLast) {
      this._come();
    } else if (before.isLast) {
      this._watch(); // to be told anew where it is: now it may go
    }
    if (this._isHere) {
      this._children.update(shown.items);
    }
  }

  dispose(): void {
    watcher?.unobserve(this.node);
    this._children.dispose();
  }

  /** What is far away need not be made. The first and the last stretch are there at once, so that nothing flickers. */
  private _begin({ isFirst, isLast, height }: SectionItem): void {
    if (!isFirst && !isLast && typeof IntersectionObserver !== 'undefined') {
      this._isHere = false;
      this.node.style.height = `${height}px`;
    }
    this._watch();
  }

  private _watch(): void {
    watchNear(this.node, (isNear, at) => {
      if (isNear) {
        this._come();
      } else if (this._mayGo(at)) {
        this._go(at.height);
      }
    });
  }

  /** A notebook may take the whole run off the page, or hide it: that says nothing of where a reader is. */
  private _mayGo(at: DOMRectReadOnly): boolean {
    const selection = document.getSelection();
    const isSelected = selection !== null && !selection.isCollapsed && selection.containsNode(this.node, true);
    const isShown = this.node.isConnected && at.height > 0;
    return this._isHere && isShown && !this._shown?.isLast && !isSelected && !this.node.contains(document.activeElement);
  }

  private _come(): void {
    if (!this._isHere && this._shown !== null) {
      this._isHere = true;
      this.node.append(...this._kept);
      this._kept = [];
      this.node.style.height = '';
      this._children.update(this._shown.items);
    }
  }

  private _go(height: number): void {
    this._isHere = false;
    this.node.style.height = `${height}px`;
    this._kept = [...this.node.childNodes];
    this.node.replaceChildren();
  }

  private _shown: SectionItem | null = null;
  private _isHere = true;
  private _kept: ChildNode[] = [];
  private readonly _children: KeyedChildren<Item>;
}

type Told = (isNear: boolean, at: DOMRectReadOnly) => void;

let watcher: IntersectionObserver | null = null;
const told = new WeakMap<Element, Told>();

function watchNear(node: Element, then: Told): void {
  if (typeof IntersectionObserver === 'undefined') {
    return;
  }
  watcher ??= new IntersectionObserver(
    entries => {
      for (const { isIntersecting, boundingClientRect, target } of entries) {
        told.get(target)?.(isIntersecting, boundingClientRect);
      }
    },
    // The second margin is for what scrolls inside the page, such as a notebook.
    { rootMargin: MARGIN, scrollMargin: MARGIN } as IntersectionObserverInit
  );
  told.set(node, then);
  watcher.unobserve(node);
  watcher.observe(node);
}
