import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { el } from '../src/view/dom';
import { ScrollAnchor } from '../src/view/scroll_anchor';

// jsdom lays nothing out: the page here is a column of pieces, each with a height, inside something that scrolls.
let resized: () => void;
let heights: number[];
let mayScroll: boolean;

const scroller = el('div');
const run = el('section');
const pieces = ['one', 'two', 'three'].map(name => el('div', `claude-parts ${name}`));
const VISIBLE = 500;

function top(at: number): number {
  return heights.slice(0, at).reduce((sum, height) => sum + height, 0) - scroller.scrollTop;
}

beforeEach(() => {
  vi.stubGlobal(
    'ResizeObserver',
    class {
      constructor(callback: () => void) {
        resized = callback;
      }
      observe = vi.fn();
      disconnect = vi.fn();
    }
  );
  heights = [1_000, 1_000, 1_000];
  mayScroll = true;
  scroller.style.overflowY = 'auto';
  scroller.scrollTop = 0;
  Object.defineProperties(scroller, {
    clientHeight: { value: VISIBLE, configurable: true },
    scrollHeight: { get: () => heights.reduce((sum, height) => sum + height, 0), configurable: true }
  });
  scroller.getBoundingClientRect = () => new DOMRect(0, 0, 100, VISIBLE);
  run.getBoundingClientRect = () => new DOMRect(0, top(0), 100, top(3) - top(0));
  pieces.forEach((piece, at) => {
    piece.getBoundingClientRect = () => new DOMRect(0, top(at), 100, heights[at]);
    piece.checkVisibility = () => true;
  });
  run.replaceChildren(...pieces);
  scroller.replaceChildren(run);
  document.body.replaceChildren(scroller);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function anchor(): ScrollAnchor {
  const made = new ScrollAnchor(run, () => mayScroll);
  made.start();
  return made;
}

function scrollTo(place: number): void {
  scroller.scrollTop = place;
  scroller.dispatchEvent(new Event('scroll'));
}

describe('what is read', () => {
  it('stays where it is when something above it changes its height', () => {
    const made = anchor();
    scrollTo(1_900);
    heights = [1_300, 900, 1_000];
    resized();
    expect(scroller.scrollTop).toBe(2_100);
    made.release();
  });

  it('stays also where what is above it becomes much higher', () => {
    const made = anchor();
    scrollTo(1_900);
    heights = [50_000, 1_000, 1_000];
    resized();
    expect(scroller.scrollTop).toBe(50_900);
    made.release();
  });

  it('is another thing for somebody who has gone to another place meanwhile', () => {
    const made = anchor();
    scrollTo(0);
    heights = [50_000, 1_000, 1_000];
    scrollTo(20_000);
    expect(scroller.scrollTop).toBe(20_000);
    made.release();
  });

  it('is left alone by what changes below it', () => {
    const made = anchor();
    scrollTo(600);
    heights = [1_000, 1_000, 5_000];
    resized();
    expect(scroller.scrollTop).toBe(600);
    made.release();
  });

  it('stays where the change and a scroll come in one frame', () => {
    const made = anchor();
    scrollTo(1_900);
    heights = [1_300, 1_000, 1_000];
    scrollTo(1_800);
    expect(scroller.scrollTop).toBe(2_100);
    made.release();
  });

  it('is not moved twice where the end of the page has come nearer', () => {
    const made = anchor();
    scrollTo(2_500);
    heights = [400, 1_000, 1_000];
    scroller.scrollTop = 1_900; // as a browser does
    resized();
    expect(scroller.scrollTop).toBe(1_900);
    heights = [300, 1_000, 1_000];
    scrollTo(1_800); // the browser again, which tells of it first
    expect(scroller.scrollTop).toBe(1_800);
    made.release();
  });

  it('stays also where the end of the page has come far nearer, and the browser has scrolled a part of it', () => {
    heights = [20_000, 1_000, 1_000];
    const made = anchor();
    scrollTo(20_500); // 1,000 above the end
    heights = [8_000, 1_000, 1_000];
    scrollTo(9_500);
    expect(scroller.scrollTop).toBe(8_500);
    made.release();
  });

  it('is left alone where only what is below it has become shorter, and the end of the page has come nearer', () => {
    heights = [1_000, 1_000, 20_000];
    const made = anchor();
    scrollTo(1_900);
    heights = [1_000, 1_000, 300];
    scrollTo(1_800);
    heights = [1_000, 1_000, 20_000];
    resized();
    expect(scroller.scrollTop).toBe(1_800);
    made.release();
  });

  it('may be below the run', () => {
    heights = [1_000, 1_000, 1_000];
    run.replaceChildren(...pieces.slice(0, 2));
    run.getBoundingClientRect = () => new DOMRect(0, top(0), 100, top(2) - top(0));
    const made = anchor();
    scrollTo(2_200);
    heights = [1_500, 1_000, 1_000];
    resized();
    expect(scroller.scrollTop).toBe(2_700);
    made.release();
  });

  it('is left to whoever follows the end', () => {
    mayScroll = false;
    const made = anchor();
    scrollTo(1_900);
    heights = [1_300, 1_000, 1_000];
    resized();
    expect(scroller.scrollTop).toBe(1_900);
    made.release();
  });
});
