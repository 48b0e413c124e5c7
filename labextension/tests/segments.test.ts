import { describe, expect, it } from 'vitest';

import { renderMarkdown } from '../src/plain_markdown';
import { segments } from '../src/segments';

const join = (text: string): string => segments(text).map(segment => segment.text).join('\n');
const kinds = (text: string): string => segments(text).map(segment => segment.kind).join(' ');

const HOSTILE: [string, string][] = [
  ['emphasis', '*a **a '.repeat(14_285)],
  ['emphasis in many paragraphs', '*a **a *a **a\n\n'.repeat(7_000)],
  ['emphasis in many lines', '*a **a *a **a\n'.repeat(7_000)],
  ['emphasis in items that are none', 'x\n' + '2) *a **a *a **a\n'.repeat(6_000)],
  ['backticks', Array.from({ length: 450 }, (_, at) => '`'.repeat(at)).join(' ')],
  ['an address', `${'a'.repeat(50_000)}@`],
  ['quotes in each other', `${'>'.repeat(5_000)} deepest`],
  ['lists in each other', `${'- '.repeat(5_000)}deepest`],
  ['lists below each other', Array.from({ length: 300 }, (_, at) => `${'  '.repeat(at)}- item`).join('\n')],
  ['brackets', '['.repeat(50_000)],
  ['links', '[a]('.repeat(12_000)],
  ['tags', '<a '.repeat(30_000)],
  ['a wide table', `|${'a|'.repeat(5_000)}\n|${'-|'.repeat(5_000)}\n|${'b|'.repeat(5_000)}`],
  ['a long table', `|a|b|\n|-|-|\n${'|*a*|`b`|\n'.repeat(9_000)}`],
  ['an open fence', '```\n' + '*a **a '.repeat(14_285)],
  ['a fence in a title', '[a]: /u "\n```\n' + '*a **a '.repeat(14_285)],
  ['dollars', '$a '.repeat(30_000)],
  ['escapes', '\\'.repeat(90_000)],
  ['references', '&#'.repeat(40_000)]
];

describe('segments', () => {
  it.each(['', 'word', '# A\n\nb *c*\n\n- d\n- e\n', '```py\nx\n```\n', 'a\n\n\nb'])('leave %j whole', text => {
    expect(segments(text)).toEqual([{ kind: 'markdown', text }]);
  });

  it('leave what people write whole', () => {
    const list = Array.from({ length: 100 }, (_, at) => `${at + 1}. **Bold** and \`code_name\` with a [link](https://x.example)`);
    const table = ['| a | b |', '|---|---|', ...Array.from({ length: 200 }, (_, at) => `| ${at} | \`x_${at}\` |`)];
    for (const text of [list.join('\n'), table.join('\n'), 'word '.repeat(700), '```py\n' + 'x[a_b] = c*d\n'.repeat(3_000) + '```']) {
      expect(kinds(text)).toBe('markdown');
    }
  });

  it.each(HOSTILE)('lose nothing of %s', (_, text) => {
    expect(join(text)).toBe(text);
  });

  it('part code from what is plain', () => {
    const long = '*a **a '.repeat(1_000);
    expect(segments(`before\n\n\`\`\`py\nx = 1\n\`\`\`\n${long}\n\nafter`).map(({ kind, text }) => [kind, text.slice(0, 8)])).toEqual([
      ['markdown', 'before\n'],
      ['markdown', '```py\nx '],
      ['plain', '*a **a *'],
      ['markdown', '\nafter']
    ]);
  });
});

describe('a table with more cells than columns', () => {
  it.each([
    ['in a row', '| a | b |\n|---|---|\n| 1 | 2 | word3 |'],
    ['without bars at the ends', 'a | b\n--|--\n1 | 2 | word3'],
    ['in code', '| a | b |\n|:--|--:|\n| `ls | word3` | word4 |'],
    ['after backslashes', '|a|b|\n|-|-|\n|1|2 \\\\| word3|'],
    ['of one', 'a\n:-\n1|word3'],
    ['in a quote', '> |a|b|\n> |-|-|\n> |1|2|word3|'],
    ['in an item', '- |a|b|\n  |-|-|\n  |1|2|word3|'],
    ['after what looks like an item', '|a|b|\n|-|-|\n2) 1|2|word3'],
    ['under a second heading', '|a|\n|-|\n|1|\n|b|c|\n|-|-|\n|d|word3|']
  ])('is plain: %s', async (_, text) => {
    const node = document.createElement('div');
    await renderMarkdown(node, `before\n\n${text}\n\nafter *that*`);
    expect(node.textContent.match(/word\d/g)).toEqual(text.match(/word\d/g));
    expect(node.querySelector('em')).not.toBeNull();
  });

  it.each(['| a | b |\n|---|---|\n| 1 | 2 |\n| 3 |\n| `x \\| y` | 4 |\n| 5 | 6 | |', '> | a |\n> |---|\n> | 1 |\n>\n> a | b'])(
    'is no other table: %j',
    text => {
      expect(kinds(text)).toBe('markdown');
    }
  );
});

describe('a text that is made to hold the page', () => {
  it.each(HOSTILE)('does not: %s', async (_, text) => {
    const node = document.createElement('div');
    const started = performance.now();
    await renderMarkdown(node, `first\n\n${text}\n\nlast`);
    expect(performance.now() - started).toBeLessThan(20_000); // a guard: without limits it is minutes
    expect(node.textContent).toMatch(/^first[^]*last\s*$/);
    expect(node.textContent.includes('deepest')).toBe(text.includes('deepest'));
  });
});
