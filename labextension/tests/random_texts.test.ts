/** Texts put together at random: segments are the text again, and a reader finds every word. */
import { describe, expect, it } from 'vitest';

import { renderMarkdown } from '../src/plain_markdown';
import { segments } from '../src/segments';

const PIECES = [
  ...Array.from('*_~`[]()<>#-+|!&;:\\$"\'=\t '),
  ...['\n', '\n\n', '\n    ', '\n> ', '\n- ', '\n1. ', '\n- [x] ', '\n***\n', '\n# ', '|a|b|\n|-|-|\n|1|2|', '|', '\n|'],
  ...['\n```\n', '\n~~~py\n', '\n```{mermaid} ', '**', '$$', '\\(', '\\)', '![x](', '[x](', '](', '<b>', '<!--', '-->', '<script>'],
  ...['http://x.example', '&#36;', '&lt;', '&#x202e;', '\u2028', '\x85', '\ufdd0', '\ufdd1', 'é', '漢字', '👋']
];

/** Numbers from 0 to 1 that look random: the same for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function randomText(seed: number): { text: string; words: string[] } {
  const random = randomNumbers(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const words: string[] = [];
  const parts = Array.from({ length: 3 + below(40) }, () => {
    if (random() < 0.35) {
      words.push(`word${seed}x${words.length}`);
      return ` ${words.at(-1) ?? ''} `;
    }
    return (PIECES[below(PIECES.length)] ?? '').repeat([1, 1, 1, 2, 5, 250][below(6)] ?? 1);
  });
  return { text: parts.join(''), words };
}

/** A definition of a link is not shown, and neither is the title of one. */
function hidden(text: string): string {
  return (text.match(/^[ \t>*+\-\d.)]*\[[^\]]*\]:[^]*?(?:\n|$)/gm) ?? []).join(' ');
}

describe('random texts', () => {
  it('are their segments, joined', () => {
    for (let seed = 0; seed < 3_000; seed++) {
      const { text } = randomText(seed);
      expect(segments(text).map(one => one.text).join('\n')).toBe(text);
    }
  });

  it('are shown with every word', async () => {
    for (let seed = 0; seed < 250; seed++) {
      const { text, words } = randomText(seed);
      const node = document.createElement('div');
      await renderMarkdown(node, text);
      const links = [...node.querySelectorAll('a')].map(link => link.href).join(' ');
      const shown = `${node.textContent} ${links} ${hidden(text)}`;
      expect(words.filter(word => !shown.includes(word)), `text ${seed}: ${JSON.stringify(text).replace(/(.{1,6}?)\1{9,}/gs, "$1…")}`).toEqual([]);
    }
  }, 60_000);
});
