import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Item, SectionItem } from '../src/view/items';
import { divide } from '../src/view/items';
import { el, setText } from '../src/view/dom';
import type { Keyed, Piece } from '../src/view/dom';
import { estimateHeight, HeightEstimator } from '../src/view/height_estimator';
import { Section } from '../src/view/section';

type Entry = Pick<IntersectionObserverEntry, 'isIntersecting' | 'boundingClientRect' | 'target'>;

type Told = (entries: Entry[]) => void;

/** One for each distance; the callback of the first is the near one's. */
const tells: Told[] = [];
let made: number;
const observe = vi.fn();

vi.stubGlobal(
  'IntersectionObserver',
  class {
    constructor(callback: Told) {
      tells.push(callback);
    }
    observe = observe;
    unobserve = vi.fn();
  }
);

beforeEach(() => {
  made = 0;
  observe.mockClear();
});

afterEach(() => {
  document.body.replaceChildren();
});

const text = (key: string, words: string): Keyed<Item> => ({ key, shown: { kind: 'text', text: words } });

function makeSection(shown: SectionItem, heights = new HeightEstimator(), rendered = Promise.resolve()): Section {
  const section = new Section((): Piece<Item> => {
    made++;
    const node = el('p');
    return { node, update: item => { setText(node, item.kind === 'text' ? item.text : ''); }, dispose: () => undefined };
  }, heights, () => rendered);
  section.update(shown);
  document.body.append(section.node);
  return section;
}

const item = (words: string, more: Partial<SectionItem> = {}): SectionItem => ({
  items: [text('a', words)], isFirst: false, isEnd: false, size: words.length, ...more
});
const move = (section: Section, isIntersecting: boolean, height = 300, distance: 'near' | 'imminent' = 'near'): void => {
  const at = new DOMRect(0, 0, 100, height);
  tells[distance === 'near' ? 0 : 1]?.([{ isIntersecting, boundingClientRect: at, target: section.node }]);
};
const heightOf = ({ node }: Section): number => parseFloat(node.style.height);
const isDrawn = ({ node }: Section): boolean => node.querySelector('p') !== null;

describe('a section', () => {
  it('is made when it comes near, and keeps its height until it is rendered', async () => {
    const section = makeSection(item('words'));
    expect([made, isDrawn(section)]).toEqual([0, false]);
    const guessed = heightOf(section);
    expect(guessed).toBeGreaterThan(0);
    move(section, true);
    expect([section.node.textContent, isDrawn(section), heightOf(section)]).toEqual(['words', true, guessed]);
    await vi.waitFor(() => {
      expect(section.node.style.height).toBe('');
    });
  });

  it('has its words on the page also while it is not drawn, for a search', () => {
    const section = makeSection(item('a needle in the hay\u202e'));
    expect(isDrawn(section)).toBe(false);
    expect(section.node.textContent).toContain('a needle in the hay');
    expect(section.node.textContent).not.toContain('\u202e');
  });

  it('is there at once if it is the first or one of the last', () => {
    expect(isDrawn(makeSection(item('words', { isFirst: true })))).toBe(true);
    expect(isDrawn(makeSection(item('words', { isEnd: true })))).toBe(true);
  });

  it('leaves its place when it is far, and comes back as it was, with what is new', () => {
    const section = makeSection(item('words', { isFirst: true }));
    const before = section.node.firstChild;
    move(section, false);
    expect([isDrawn(section), heightOf(section)]).toEqual([false, 300]);
    section.update(item('more words', { isFirst: true }));
    expect(isDrawn(section)).toBe(false);
    move(section, true);
    expect(section.node.firstChild).toBe(before);
    expect(section.node.textContent).toBe('more words');
  });

  it('is watched anew when it is one of the last no more: then it may be far already', () => {
    const section = makeSection(item('words', { isEnd: true }));
    const before = observe.mock.calls.length;
    section.update(item('words'));
    expect(observe.mock.calls.length).toBeGreaterThan(before);
    move(section, false);
    expect(isDrawn(section)).toBe(false);
  });

  it('stays while it is one of the last, has the focus, or is not shown at all', () => {
    const last = makeSection(item('words', { isEnd: true }));
    move(last, false);
    const focused = makeSection(item('words', { isFirst: true }));
    const button = focused.node.appendChild(el('button'));
    button.focus();
    move(focused, false);
    const hidden = makeSection(item('words', { isFirst: true }));
    move(hidden, false, 0);
    expect([last, focused, hidden].map(isDrawn)).toEqual([true, true, true]);
  });

  it('waits for a moment of rest while the page is scrolled, unless it is imminent', () => {
    vi.useFakeTimers();
    const [later, now] = [makeSection(item('words')), makeSection(item('words'))];
    document.body.dispatchEvent(new Event('scroll'));
    move(later, true);
    move(now, true, 300, 'imminent');
    expect([isDrawn(later), isDrawn(now)]).toEqual([false, true]);
    vi.advanceTimersByTime(100);
    expect(isDrawn(later)).toBe(true);
    vi.useRealTimers();
  });

  it('is not drawn while it flies past, not even imminent', () => {
    vi.useFakeTimers();
    const section = makeSection(item('words'));
    const scroller = document.body.appendChild(el('div'));
    for (const top of [0, 5_000, 10_000, 15_000]) {
      scroller.scrollTop = top;
      scroller.dispatchEvent(new Event('scroll'));
    }
    move(section, true, 300, 'imminent');
    expect(isDrawn(section)).toBe(false);
    vi.advanceTimersByTime(150);
    expect(isDrawn(section)).toBe(true);
    vi.useRealTimers();
  });
});

describe('heights', () => {
  it('of what is not drawn are learnt from what is', () => {
    vi.useFakeTimers();
    const heights = new HeightEstimator();
    const drawn = makeSection(item('one\n\ntwo', { isFirst: true }), heights);
    const away = makeSection(item('three\n\nfour'), heights);
    const before = heightOf(away);
    heights.learn(drawn, 800, 3 * drawn.rawEstimate);
    vi.advanceTimersByTime(300);
    expect(heightOf(away)).toBeCloseTo(3 * before, -1);
    vi.useRealTimers();
  });

  it('that were measured hold until the run has another width', () => {
    vi.useFakeTimers();
    const heights = new HeightEstimator();
    const section = makeSection(item('words', { isFirst: true }), heights);
    heights.learn(section, 800, 70);
    move(section, false, 77);
    const other = makeSection(item('words', { isFirst: true }), heights);
    heights.learn(other, 800, 10 * other.rawEstimate);
    vi.advanceTimersByTime(300);
    expect(heightOf(section)).toBe(77);
    heights.learn(other, 800, 15 * other.rawEstimate); // opened by a reader
    heights.learn(other, 400, 20 * other.rawEstimate);
    vi.advanceTimersByTime(300);
    expect(heightOf(section)).toBe(Math.round(20 * other.rawEstimate));
    vi.useRealTimers();
  });

  it('grow with lines, code and cards', () => {
    const lines = estimateHeight([text('a', 'one\n\ntwo\n\nthree')]);
    expect(estimateHeight([text('a', 'x'.repeat(1_000))])).toBeGreaterThan(lines);
    expect(estimateHeight([text('a', ['```', 'code\n'.repeat(30), '```'].join('\n'))])).toBeGreaterThan(500);
    expect(estimateHeight([])).toBe(0);
  });
});

describe('divide', () => {
  const many = Array.from({ length: 100 }, (_, at) => text(String(at), 'x'.repeat(1_000)));

  it('leaves a run of usual length in one piece', () => {
    expect(divide([])).toMatchObject([{ key: '0', shown: { items: [], isFirst: true, isEnd: true } }]);
    expect(divide(many.slice(0, 8))).toHaveLength(1);
  });

  it('ends a stretch where the same run that was shorter ended it', () => {
    const [some, all] = [divide(many.slice(0, 30)), divide(many)];
    expect(all.flatMap(one => one.shown.items)).toEqual(many);
    expect(all[0]?.shown.items).toEqual(some[0]?.shown.items);
    expect(all.filter(one => one.shown.isEnd)).toEqual(all.slice(-2));
  });
});
