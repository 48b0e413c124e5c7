/**
 * A stretch of the answer, rendered while it grows: finished blocks once, the open one at most every 250 ms.
 *
 * Between two renderings plain words are appended to the last text node, so that reading never waits for a parser. A
 * block that is finished keeps its place and is replaced in one step when its final form is ready: nothing flickers.
 */

import { BlockSplitter, pieces } from '../blocks';
import { plainParagraph } from '../segments';
import { visible } from '../text';
import { codeFrame, frameCode } from './code';
import { el } from './dom';
import type { Piece } from './dom';
import { textHeight } from './height_estimator';
import type { Host } from './host';
import { unobserveVisibility, observeVisibility } from './visibility';
import { frameTables } from './table';

const EVERY_MS = 250;
const NEXT_MS = 100; // within this time a text that still grows is drawn again
const PIECE = 12_000; // characters of finished text that are rendered together
const EAGER = 60_000; // characters of one text that are rendered without looking whether they are near
const COLOURED_LIVE = 6_000; // characters of an open code block that are coloured while it grows
const NEVER_LIVE = /^(?:math|latex)$/;
const PLAIN_WORDS = /^[\p{L}\p{N} .,;:!?'"()%/=-]*$/u;

export class MarkdownText implements Piece<string> {
  readonly node = el('div', 'claude-text');

  constructor(
    private readonly _host: Host,
    private readonly _live: () => boolean
  ) {}

  update(text: string): void {
    if (text === this._text) {
      this._settle();
      return;
    }
    if (!text.startsWith(this._text)) {
      this._restart();
    }
    const first = this._text === '';
    this._text = text;
    if (first && !this._live()) {
      this._showAll(text);
      return;
    }
    for (const end of this._splitter.grow(text)) {
      this._openBlock().finish(text.slice(this._shown, end));
      this._open = null;
      this._shown = end;
    }
    const tail = text.slice(this._shown);
    if (tail.trim() !== '') {
      this._openBlock().grow(tail, this._splitter.openFence);
    }
    this._settle();
  }

  dispose(): void {
    this._blocks.forEach(block => {
      block.dispose();
    });
  }

  private _showAll(text: string): void {
    let size = 0;
    for (const piece of pieces(text, PIECE)) {
      size += piece.length;
      const block = this._openBlock();
      this._open = null;
      block.finish(piece, size > EAGER);
    }
    this._shown = text.length;
    this._splitter.grow(text);
    this._complete = true;
  }

  /** When the run is over, the open block is finished as it is. */
  private _settle(): void {
    if (!this._live() && !this._complete) {
      this._complete = true;
      this._open?.finish(this._text.slice(this._shown));
    } else if (this._live()) {
      this._complete = false;
    }
  }

  private _openBlock(): Block {
    if (this._open === null) {
      this._open = new Block(this._host);
      this._blocks.push(this._open);
      this.node.append(this._open.node);
    }
    return this._open;
  }

  private _restart(): void {
    this.dispose();
    this.node.replaceChildren();
    this._blocks.length = 0;
    this._open = null;
    this._text = '';
    this._shown = 0;
    this._complete = false;
    this._splitter = new BlockSplitter();
  }

  private _text = '';
  private _shown = 0;
  private _complete = false;
  private _open: Block | null = null;
  private _splitter = new BlockSplitter();
  private readonly _blocks: Block[] = [];
}

interface Fence {
  readonly language: string;
}

/** One block, or several that were finished when they came. */
class Block {
  readonly node = el('div', 'claude-block');

  constructor(private readonly _host: Host) {}

  grow(source: string, fence: Fence | null): void {
    this._source = source;
    if (fence !== null && (source.length > COLOURED_LIVE || NEVER_LIVE.test(fence.language))) {
      this._growCode(source, fence);
      return;
    }
    this._appendWords(source);
    this._renderSoon();
  }

  /** No more will come. With `whenNear`, render when it comes near the visible part of the page. */
  finish(source: string, whenNear = false): void {
    this._source = source;
    this._finished = true;
    this._code = null;
    clearTimeout(this._timer);
    if (whenNear && typeof IntersectionObserver !== 'undefined') {
      this.node.textContent = visible(source.trim());
      this.node.classList.add('claude-unrendered', 'claude-long');
      this.node.style.containIntrinsicBlockSize = `auto ${Math.round(textHeight(source))}px`;
      // It stands there plain until it comes near.
      observeVisibility(this.node, { near: this._renderIfNear, imminent: this._renderIfNear });
      return;
    }
    void this._render();
  }

  dispose(): void {
    clearTimeout(this._timer);
    this._disposed = true;
    unobserveVisibility(this.node);
  }

  private readonly _renderIfNear = (isNear: boolean): void => {
    if (isNear) {
      unobserveVisibility(this.node);
      void this._render();
    }
  };

  /** What arrived since the last rendering, if it is nothing but words, goes to the end of what stands there. */
  private _appendWords(source: string): void {
    const added = source.slice(this._shown.length);
    if (this._lastText === null || !this._shown || !PLAIN_WORDS.test(added) || !source.startsWith(this._shown)) {
      this._lastText = null;
      return;
    }
    this._lastText.appendData(added);
    this._shown = source;
  }

  private _growCode(source: string, fence: Fence): void {
    clearTimeout(this._timer);
    this._timer = undefined;
    const code = visible(source.slice(source.indexOf('\n') + 1));
    if (this._code === null || !this.node.contains(this._code)) {
      this._code = document.createTextNode(code);
      const frame = codeFrame(fence.language, () => this._code?.data ?? '', this._host);
      frame.append(el('pre', '', el('code', '', this._code)));
      this.node.replaceChildren(frame);
      this._lastText = null;
    } else if (code.startsWith(this._code.data)) {
      this._code.appendData(code.slice(this._code.data.length));
    } else {
      this._code.data = code;
    }
  }

  /** When it is time, render at once: the caller is drawing, and one frame then shows all that is new. */
  private _renderSoon(): void {
    if (this._rendering) {
      return;
    }
    const wait = Math.max(EVERY_MS, 4 * this._cost) - (performance.now() - this._rendered);
    if (wait <= 0) {
      void this._render();
    } else {
      this._timer ??= setTimeout(() => void this._render(), wait + NEXT_MS);
    }
  }

  private async _render(): Promise<void> {
    clearTimeout(this._timer);
    this._timer = undefined;
    if (this._rendering) {
      this._again = true;
      return;
    }
    this._rendering = true;
    const source = this._source;
    const started = performance.now();
    try {
      await this._host.renderMarkdown(this.node, source);
    } catch {
      // Whatever a parser cannot read, a person can.
      this.node.replaceChildren(plainParagraph(visible(source)));
    }
    this._cost = performance.now() - started;
    this._rendering = false;
    if (this._disposed) {
      return;
    }
    this._rendered = performance.now();
    this.node.classList.remove('claude-unrendered');
    frameCode(this.node, this._host);
    frameTables(this.node);
    this._shown = source;
    this._lastText = lastTextOf(this.node, source);
    if (this._again || (this._source !== source && this._finished)) {
      this._again = false;
      void this._render();
    } else if (this._source !== source && this._code === null) {
      this._appendWords(this._source);
      this._renderSoon();
    }
  }

  private _source = '';
  private _shown = '';
  private _finished = false;
  private _disposed = false;
  private _rendering = false;
  private _again = false;
  private _rendered = -EVERY_MS;
  private _cost = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _lastText: Text | null = null;
  private _code: Text | null = null;
}

/** The text node with which the rendered block ends, if the source ends with the same words. */
function lastTextOf(node: HTMLElement, source: string): Text | null {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  let last: Text | null = null;
  while (walker.nextNode()) {
    const text = walker.currentNode as Text;
    last = text.data.trim() === '' || text.parentElement?.closest('.claude-code-bar') ? last : text;
  }
  if (last?.parentElement?.closest('mjx-container, .katex, pre')) {
    return null;
  }
  const ending = last?.data.trim().slice(-12) ?? '';
  if (last === null || !source.trimEnd().endsWith(ending)) {
    return null;
  }
  const missing = source.slice(source.trimEnd().length);
  if (missing.includes('\n')) {
    return null;
  }
  if (missing && !/\s$/.test(last.data)) {
    last.appendData(missing);
  }
  return last;
}
