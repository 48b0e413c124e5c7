import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Item, SectionItem } from '../src/view/arrange';
import { divide } from '../src/view/arrange';
import { el, setText } from '../src/view/dom';
import type { Keyed, Piece } from '../src/view/dom';
import { Section } from '../src/view/section';

type Entry = Pick<IntersectionObserverEntry, 'isIntersecting' | 'boundingClientRect' | 'target'>;

let tell: (entries: Entry[]) => void;
let made: number;
const observe = vi.fn();

beforeEach(() => {
  vi.stubGlobal(
    'IntersectionObserver',
    class {
      constructor(callback: (entries: Entry[]) => void) {
        tell = callback;
      }
      observe = observe;
      unobserve = vi.fn();
    }
  );
  made = 0;
  observe.mockClear();
});

afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

const text = (key: string, words: string): Keyed<Item> => ({ key, shown: { kind: 'text', text: words } });

function makeSection(shown: SectionItem): Section {
  const section = new Section((): Piece<Item> => {
    made++;
    const node = el('p');
    return { node, update: item => { setText(node, item.kind === 'text' ? item.text : ''); }, dispose: () => undefined };
  });
  section.update(shown);
  document.body.append(section.node);
  return section;
}

const item = (words: string, more: Partial<SectionItem> = {}): SectionItem => ({
  items: [text('a', words)], isFirst: false, isLast: false, height: 500, ...more
});
const move = (section: Section, isIntersecting: boolean, height = 300): void => {
  tell([{ isIntersecting, boundingClientRect: new DOMRect(0, 0, 100, height), target: section.node }]);
};

describe('a section', () => {
  it('is made when it comes near', () => {
    const section = makeSection(item('words'));
    expect([made, section.node.style.height]).toEqual([0, '500px']);
    move(section, true);
    expect([section.node.textContent, section.node.style.height]).toEqual(['words', '']);
  });

  it('is there at once if it is the first or the last', () => {
    expect(makeSection(item('words', { isFirst: true })).node.textContent).toBe('words');
    expect(makeSection(item('words', { isLast: true })).node.textContent).toBe('words');
  });

  it('leaves its place empty when it is far, and comes back as it was, with what is new', () => {
    const section = makeSection(item('words', { isFirst: true }));
    const before = section.node.firstChild;
    move(section, false);
    expect([section.node.childElementCount, section.node.style.height]).toEqual([0, '300px']);
    section.update(item('more words', { isFirst: true }));
    expect(section.node.childElementCount).toBe(0);
    move(section, true);
    expect(section.node.firstChild).toBe(before);
    expect(section.node.textContent).toBe('more words');
  });

  it('is watched anew when it is the last no more: then it may be far already', () => {
    const section = makeSection(item('words', { isLast: true }));
    expect(observe).toHaveBeenCalledTimes(1);
    section.update(item('words'));
    expect(observe).toHaveBeenCalledTimes(2);
    move(section, false);
    expect(section.node.childElementCount).toBe(0);
  });

  it('stays while it is the last, has the focus, or is not shown at all', () => {
    const last = makeSection(item('words', { isLast: true }));
    move(last, false);
    const focused = makeSection(item('words', { isFirst: true }));
    const button = focused.node.appendChild(el('button'));
    button.focus();
    move(focused, false);
    const hidden = makeSection(item('words', { isFirst: true }));
    move(hidden, false, 0);
    for (const section of [last, focused, hidden]) {
      expect(section.node.textContent).toBe('words');
    }
  });
});

describe('divide', () => {
  const many = Array.from({ length: 100 }, (_, at) => text(String(at), 'x'.repeat(1_000)));

  it('leaves a run of usual length in one piece', () => {
    expect(divide([])).toMatchObject([{ key: '0', shown: { items: [], isFirst: true, isLast: true } }]);
    expect(divide(many.slice(0, 30))).toHaveLength(1);
  });

  it('ends a stretch where the same run that was shorter ended it', () => {
    const [some, all] = [divide(many.slice(0, 70)), divide(many)];
    expect(all.flatMap(one => one.shown.items)).toEqual(many);
    expect(all[0]?.shown.items).toEqual(some[0]?.shown.items);
    expect(all.map(one => one.shown.isLast)).toEqual([false, false, true]);
  });
});
