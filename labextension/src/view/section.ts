/**
 * A stretch of a run that is drawn only while it is near the visible part.
 *
 * Elsewhere it keeps its place, and its plain words stand there unseen: a browser's search finds them, and takes the reader
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
      this._begin(shown);
    } else if (shown.isEnd) {
      this._mount();
    } else if (before.isEnd) {
      this._watch(); // to be told anew where it is: now it may go
    }
    if (this._isHere) {
      this._children.update(shown.items);
    }
  }

  get guess(): number {
    const items = this._shown?.items ?? [];
    if (this._guessed?.size !== this._shown?.size) {
      this._guessed = { size: this._shown?.size ?? 0, height: estimateHeight(items) };
    }
    return this._guessed?.height ?? 0;
  }

  estimateAgain(): void {
    const isKnown = this._measured !== null && this._measured.generation === this._estimator.generation;
    const height = isKnown ? (this._measured?.height ?? 0) : this._estimator.estimate(this.guess);
    this.node.style.height = `${height}px`;
  }

  dispose(): void {
    unobserveVisibility(this.node);
    this._estimator.unmount(this);
    this._children.dispose();
  }

  /** What is far away need not be made. The first and the last stretches are there at once, so that nothing flickers. */
  private _begin({ isFirst, isEnd }: SectionItem): void {
    if (!isFirst && !isEnd && typeof IntersectionObserver !== 'undefined') {
      this._unmount(null);
    } else {
      void this._grow();
    }
    this._watch();
  }

  private _watch(): void {
    observeVisibility(this.node, {
      near: (isNear, at) => {
        this._isNear = isNear;
        if (isNear) {
          scrollActivity.whenAtRest(this._comeIfNear);
        } else if (this._mayGo(at)) {
          this._unmount(at.height);
        }
      },
      imminent: isAtHand => {
        this._isAtHand = isAtHand;
        if (isAtHand) {
          this._isNear = true;
          scrollActivity.whenReadable(this._comeIfNear);
        }
      }
    });
  }

  /** A notebook may take the whole run off the page, or hide it: that says nothing of where a reader is. */
  private _mayGo(at: DOMRectReadOnly): boolean {
    const selection = document.getSelection();
    const isSelected = selection !== null && !selection.isCollapsed && selection.containsNode(this.node, true);
    const isShown = this.node.isConnected && at.height > 0;
    return this._isHere && isShown && !this._shown?.isEnd && !isSelected && !this.node.contains(document.activeElement);
  }

  private readonly _comeIfNear = (): void => {
    if (this._isNear) {
      this._mount();
    }
  };

  private _mount(): void {
    if (!this._isHere && this._shown !== null) {
      this._isHere = true;
      this.node.classList.replace('claude-away', 'claude-coming');
      this.node.replaceChildren(...this._kept);
      this._kept = [];
      this._children.update(this._shown.items);
      void this._grow();
    }
  }

  /** Rendering takes a moment, in which it stays as high as it was: one change of its height, not many. */
  private async _grow(): Promise<void> {
    await this._rendered();
    if (this._isAtHand) {
      this._letGrow();
    } else {
      scrollActivity.whenAtRest(this._letGrow); // a browser that scrolls smoothly does not notice that the page has moved meanwhile
    }
  }

  private readonly _letGrow = (): void => {
    if (this._isHere) {
      this.node.classList.remove('claude-coming');
      this.node.style.height = '';
      this._estimator.mount(this);
    }
  };

  /** @param height - how high it is as it is drawn; `null` if it never was. */
  private _unmount(height: number | null): void {
    this._isHere = false;
    this._measured = height === null ? null : { height, generation: this._estimator.generation };
    this._estimator.unmount(this);
    this._kept = [...this.node.childNodes];
    this.node.classList.remove('claude-coming');
    this.node.classList.add('claude-away');
    this.node.replaceChildren(plainWords(this._shown?.items.map(item => item.shown) ?? []));
    this.estimateAgain();
  }

  private _shown: SectionItem | null = null;
  private _guessed: { size: number; height: number } | null = null;
  private _measured: { height: number; generation: number } | null = null;
  private _isHere = true;
  private _isNear = false;
  private _isAtHand = false;
  private _kept: ChildNode[] = [];
  private readonly _children: KeyedChildren<Item>;
}

/** What a stretch says, each item about where it is going to be. */
function plainWords(items: readonly Item[]): HTMLElement {
  const words = items.map(item => {
    const line = el('div', '', wordsOf(item));
    line.style.flexGrow = String(estimateHeight([{ key: '', shown: item }]));
    return line;
  });
  return el('div', 'claude-plain-words', ...words);
}

function wordsOf(item: Item): string {
  switch (item.kind) {
    case 'text':
    case 'note':
      return visible(item.text);
    case 'thinking':
      return '';
    case 'tool':
      return `${toolTitle(item.tool.name)} ${tellingArgument(item.tool)}`;
    case 'group':
      return item.items.map(inside => wordsOf(inside.shown)).join('\n');
  }
}
