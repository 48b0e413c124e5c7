// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { BlockSplitter, pieces } from '../src/blocks';

const blocks = (text: string): string[] => {
  const ends = [0, ...new BlockSplitter().grow(text), text.length];
  return ends.slice(1).map((end, at) => text.slice(ends[at], end)).filter(Boolean);
};

describe('BlockSplitter', () => {
  it('parts paragraphs at empty lines', () => {
    expect(blocks('one\nmore\n\ntwo\n\n')).toEqual(['one\nmore\n\n', 'two\n\n']);
  });

  it('keeps a list together', () => {
    expect(blocks('- a\n\n- b\n\n  more\n\nafter\n')).toEqual(['- a\n\n- b\n\n  more\n\n', 'after\n']);
  });

  it('keeps a code block together, empty lines and all, and ends it at its fence', () => {
    expect(blocks('```py\na\n\nb\n```\nafter\n')).toEqual(['```py\na\n\nb\n```\n', 'after\n']);
  });

  it('does not take a shorter fence for the end', () => {
    expect(blocks('````\n```\n\nx\n````\n')).toEqual(['````\n```\n\nx\n````\n']);
  });

  it('keeps a displayed formula together', () => {
    expect(blocks('$$\na\n\nb\n$$\n\nafter\n')).toEqual(['$$\na\n\nb\n$$\n\n', 'after\n']);
  });

  it('says in which code block a text ends', () => {
    const splitter = new BlockSplitter();
    splitter.grow('words\n\n```python\nx = 1\n');
    expect(splitter.openFence).toMatchObject({ language: 'python', start: 17 });
  });

  it('finds the same boundaries however the text arrives', () => {
    const text = '# T\n\nwords\n\n- a\n- b\n\n```\nx\n\ny\n```\n\n| a |\n|---|\n| 1 |\n\n$$\nz\n$$\n\nend\n';
    const splitter = new BlockSplitter();
    const ends: number[] = [];
    for (let size = 1; size <= text.length; size++) {
      ends.push(...splitter.grow(text.slice(0, size)));
    }
    expect(ends).toEqual(new BlockSplitter().grow(text));
  });

  it('goes through 2 MB in pieces quickly', () => {
    const text = 'some words in a line\n\n'.repeat(100_000);
    expect(pieces(text, 12_000).join('')).toBe(text);
  });
});
