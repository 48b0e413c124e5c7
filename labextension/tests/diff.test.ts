// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { changed, diffLines } from '../src/diff';

const drawn = (before: string, after: string, context?: number): string[] =>
  diffLines(before, after, context).map(line => line.mark + line.text);

describe('diffLines', () => {
  it('is empty where nothing differs', () => {
    expect(drawn('a\nb\n', 'a\nb\n')).toEqual([]);
  });

  it('shows a replaced line with what is around it', () => {
    expect(drawn('a\nb\nc', 'a\nB\nc')).toEqual([' a', '-b', '+B', ' c']);
  });

  it('shows a new file as inserted lines with their numbers', () => {
    expect(diffLines('', 'a\nb\n')).toEqual([
      { mark: '+', text: 'a', line: 1 },
      { mark: '+', text: 'b', line: 2 }
    ]);
  });

  it('finds the smallest change', () => {
    expect(drawn('a\nb\nc\nd', 'a\nc\nx\nd')).toEqual([' a', '-b', ' c', '+x', ' d']);
  });

  it('puts what went before what came', () => {
    expect(drawn('a\nb', 'x\ny')).toEqual(['-a', '-b', '+x', '+y']);
  });

  it('leaves out what is far from a change', () => {
    const before = Array.from({ length: 30 }, (_, at) => `line ${at}`);
    const after = before.with(2, 'two').with(25, 'many');
    expect(drawn(before.join('\n'), after.join('\n'), 1)).toEqual([
      ' line 1', '-line 2', '+two', ' line 3', '…', ' line 24', '-line 25', '+many', ' line 26'
    ]);
  });

  it.each(Array.from({ length: 40 }, (_, seed) => seed))('turns one text into the other (seed %i)', seed => {
    let state = seed * 7919 + 1;
    const random = (most: number): number => (state = (state * 48271) % 2147483647) % most;
    const lines = (): string[] => Array.from({ length: random(14) }, () => 'abcd'.charAt(random(4)));
    const [before, after] = [lines(), lines()];
    const all = diffLines(before.map(line => `${line}\n`).join(''), after.map(line => `${line}\n`).join(''), 99);
    if (before.join() !== after.join()) {
      expect(all.filter(line => line.mark !== '+').map(line => line.text)).toEqual(before);
      expect(all.filter(line => line.mark !== '-').map(line => line.text)).toEqual(after);
    }
  });

  it('gives up on the smallest change where texts are huge, and stays true', () => {
    const before = Array.from({ length: 5000 }, (_, at) => `a${at}`).join('\n');
    const after = Array.from({ length: 5000 }, (_, at) => `b${at}`).join('\n');
    expect(changed(diffLines(before, after))).toEqual({ inserted: 5000, deleted: 5000 });
  });
});
