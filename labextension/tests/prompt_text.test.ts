// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { braces, promptHead } from '../src/prompt/prompt_text';

describe('promptHead', () => {
  it.each(['', 'x = 1', '%%claudette\nhi', ' \n%%time\n%%claude', 'x\n%%claude', '%claude ask hi', '"""\n%%claude"""'])(
    'finds no prompt in %j',
    text => {
      expect(promptHead(text)).toBeNull();
    }
  );

  it.each([
    ['%%claude', 0, 8],
    ['%%claude\nhi', 0, 8],
    ['# a note\n\n  %%claude -s x\nhi', 10, 25],
    ['%% Claude -s x\nhi', 0, 14]
  ])('finds the line in %j', (text, from, to) => {
    expect(promptHead(text)).toMatchObject({ from, to });
  });

  it.each([
    ['%%claude hi', 'main'],
    ['%%claude -s analysis', 'analysis'],
    ['%%claude -sanalysis --new', 'analysis'],
    ['%%claude --bg --session "two words"', 'two words'],
    ['%%claude --session=x', 'x'],
    ['%%claude -s', 'main'],
    ['%%claude -s --new', 'main']
  ])('reads the session of %j', (text, session) => {
    expect(promptHead(text)?.session).toBe(session);
  });

  it('tells the words apart', () => {
    const line = '%%claude --allow Bash(git *) --output=x -s "a b"';
    const words = promptHead(line)?.words.map(({ kind, from, to }) => [kind, line.slice(from, to)]);
    expect(words).toEqual([
      ['magic', '%%claude'],
      ['option', '--allow'],
      ['value', 'Bash(git'],
      ['value', '*)'],
      ['option', '--output'],
      ['value', 'x'],
      ['option', '-s'],
      ['value', '"a b"']
    ]);
  });
});

describe('braces', () => {
  const roots = (prompt: string): string[] => braces(prompt).map(({ root }) => root);

  it.each([
    ['{x}', 'x'],
    ['{ größe }', 'größe'],
    ['{df.head}', 'df'],
    ['{df["a"].mean}', 'df'],
    ['{x!r}', 'x'],
    ['{x:.2f}', 'x'],
    ['{x:{width}}', 'x'],
    ['{when:%Y-%m}', 'when'],
    ['{x = }', 'x'],
    ['{"rows": {rows}}', 'rows']
  ])('finds the name in %j', (prompt, root) => {
    expect(roots(prompt)).toEqual([root]);
  });

  it.each([
    '{}',
    '{1}',
    '{"a": 1}',
    '{color: red}',
    '{x: 1}',
    '{{x}}',
    '{a, b}',
    '{a\nb}',
    '`{x}`',
    '``a ` {x}``',
    '```\n{x}\n```',
    '- ~~~ python\n  {x}\n  ~~~',
    '```\n{x} and no end',
    '\\frac{a}{b}'
  ])('finds none in %j', prompt => {
    expect(roots(prompt)).toEqual([]);
  });

  it('says where they stand', () => {
    const prompt = 'see { sales } and x_{i}';
    expect(braces(prompt)).toEqual([
      { from: 4, to: 13, root: 'sales', rootFrom: 6, isTex: false },
      { from: 20, to: 23, root: 'i', rootFrom: 21, isTex: true }
    ]);
  });

  it('is quick about a long prompt', () => {
    const prompt = 'A word {name}, some `code` and a { brace. '.repeat(2_000);
    const began = performance.now();
    expect(braces(prompt)).toHaveLength(2_000);
    expect(performance.now() - began).toBeLessThan(500);
  });
});
