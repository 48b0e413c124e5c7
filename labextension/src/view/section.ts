/**
 * A section of a run that is mounted only while it is near the visible part.
 *
 * Elsewhere it keeps its place, and its plain text stands there unseen: a browser's search finds them, and takes the reader
 * to where they then are drawn.
 */

import { visible } from '../text';
import { tellingArgument, toolTitle } from '../tools';
import type { Item, SectionItem } from './items';
import { el, KeyedChildren } from './dom';
import type { Piece } from './dom';
import { estimateHeight } from './height_estimator';
import type { Estimated, HeightEstimator } from './height_estimator';
import { scrollActivity } from './scroll_activity';
import { unobserveVisibility, observeVisibility } from './visibility';

export class Section implements Piece<SectionItem>, Estimated {
  readonly node = el('div', 'claude-parts');

  /**
   * @param make - makes the piece of an item.
   * @param _estimator - what is known of the heights of this run.
   * @param _rendered - returns when all that is being rendered of this run has been.
   */
  constructor(
    make: (item: Item) => Piece<Item>,
    private readonly _estimator: HeightEstimator,
    private readonly _rendered: () => Promise<void>
  ) {
    this._children = new KeyedChildren(this.node, make);
  }

  update(shown: SectionItem): void {
    const before = this._shown;
    this._shown = shown;
    if (before === null) {
      this._init(shown);
    } else if (shown.isEnd) {
      this._mount();
    } else if (before.isEnd) {
      this._observe(); // its visibility is reported anew: now it may be unmounted
    }
    if (this._isMounted) {
      this._children.update(shown.items);
    }
  }

  get rawEstimate(): number {
    const items = this._shown?.items ?? [];
    if (this._rawEstimate?.size !== this._shown?.size) {
      this._rawEstimate = { size: this._shown?.size ?? 0, height: estimateHeight(items) };
    }
    return this._rawEstimate?.height ?? 0;
  }

  updateEstimate(): void {
    const isKnown = this._measured !== null && this._measured.generation === this._estimator.generation;
    const height = isKnown ? (this._measured?.height ?? 0) : this._estimator.estimate(this.rawEstimate);
    this.node.style.height = `${height}px`;
  }

  dispose(): void {
    unobserveVisibility(this.node);
    this._estimator.unmount(this);
    this._children.dispose();
  }

  /** What is far away need not be mounted. The first and the last section are mounted at once, so that nothing flickers. */
  private _init({ isFirst, isEnd }: SectionItem): void {
    if (!isFirst && !isEnd && typeof IntersectionObserver !== 'undefined') {
      this._unmount(null);
    } else {
      void this._releaseHeightWhenRendered();
    }
    this._observe();
  }

  private _observe(): void {
    observeVisibility(this.node, {
      near: (isNear, rect) => {
        this._isNear = isNear;
        if (isNear) {
          scrollActivity.whenAtRest(this._mountIfNear);
        } else if (this._canUnmount(rect)) {
          this._unmount(rect.height);
        }
      },
      imminent: isImminent => {
        this._isImminent = isImminent;
        if (isImminent) {
          this._isNear = true;
          scrollActivity.whenReadable(this._mountIfNear);
        }
      }
    });
  }

  /** A notebook may take the whole run off the page, or hide it: that tells nothing of where a reader is. */
  private _canUnmount(rect: DOMRectReadOnly): boolean {
    const selection = document.getSelection();
    const isSelected = selection !== null && !selection.isCollapsed && selection.containsNode(this.node, true);
    const isVisible = this.node.isConnected && rect.height > 0;
    return this._isMounted && isVisible && !this._shown?.isEnd && !isSelected && !this.node.contains(document.activeElement);
  }

  private readonly _mountIfNear = (): void => {
    if (this._isNear) {
      this._mount();
    }
  };

  private _mount(): void {
    if (!this._isMounted && this._shown !== null) {
      this._isMounted = true;
      this.node.classList.replace('claude-unmounted', 'claude-mounting');
      this.node.replaceChildren(...this._detachedNodes);
      this._detachedNodes = [];
      this._children.update(this._shown.items);
      void this._releaseHeightWhenRendered();
    }
  }

  /** Rendering takes a moment, in which it stays as high as it was: one change of its height, not many. */
  private async _releaseHeightWhenRendered(): Promise<void> {
    await this._rendered();
    if (this._isImminent) {
      this._releaseHeight();
    } else {
      scrollActivity.whenAtRest(this._releaseHeight); // a browser that scrolls smoothly does not notice that the page has moved meanwhile
    }
  }

  private readonly _releaseHeight = (): void => {
    if (this._isMounted) {
      this.node.classList.remove('claude-mounting');
      this.node.style.height = '';
      this._estimator.mount(this);
    }
  };

  /** @param height - its height while mounted, in pixels; `null` if it never was mounted. */
  private _unmount(height: number | null): void {
    this._isMounted = false;
    this._measured = height === null ? null : { height, generation: this._estimator.generation };
    this._estimator.unmount(this);
    this._detachedNodes = [...this.node.childNodes];
    this.node.classList.remove('claude-mounting');
    this.node.classList.add('claude-unmounted');
    this.node.replaceChildren(searchableText(this._shown?.items.map(item => item.shown) ?? []));
    this.updateEstimate();
  }

  private _shown: SectionItem | null = null;
  private _rawEstimate: { size: number; height: number } | null = null;
  private _measured: { height: number; generation: number } | null = null;
  private _isMounted = true;
  private _isNear = false;
  private _isImminent = false;
  private _detachedNodes: ChildNode[] = [];
  private readonly _children: KeyedChildren<Item>;
}

/** The text of a section that is not mounted, each item about where it is going to be. */
function searchableText(items: readonly Item[]): HTMLElement {
  const lines = items.map(item => {
    const line = el('div', '', textOf(item));
    line.style.flexGrow = String(estimateHeight([{ key: '', shown: item }]));
    return line;
  });
  return el('div', 'claude-searchable-text', ...lines);
}

function textOf(item: Item): string {
  switch (item.kind) {
    case 'text':
    case 'note':
      return visible(item.text);
    case 'thinking':
      return '';
    case 'tool':
      return `${toolTitle(item.tool.name)} ${tellingArgument(item.tool)}`;
    case 'group':
      return item.items.map(inside => textOf(inside.shown)).join('\n');
  }
}
