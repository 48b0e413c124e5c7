// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { cellOf, isOnlyAPrompt } from '../src/cells';

describe('cellOf', () => {
  it.each(['python', 'Python', 'py', 'ipython3'])('gives %s as it is', language => {
    expect(cellOf('x = 1', language)).toEqual({ cell_type: 'code', source: 'x = 1' });
  });

  it.each([
    ['bash', '%%bash'],
    ['SQL', '%%sql'],
    ['html', '%%html']
  ])('puts the magic before %s', (language, magic) => {
    expect(cellOf('first', language)).toEqual({ cell_type: 'code', source: `${magic}\nfirst` });
  });

  it('makes a Markdown cell of Markdown', () => {
    expect(cellOf('# Title', 'md')).toEqual({ cell_type: 'markdown', source: '# Title' });
  });

  it.each(['', 'text', 'json', 'console', 'diff', 'rust', 'constructor'])('offers nothing for "%s"', language => {
    expect(cellOf('x', language)).toBeNull();
  });
});

describe('isOnlyAPrompt', () => {
  it.each(['%%claude\nhi', '# a note\n\n%%claude -s x\nhi', '%claude ask hello', '%claude fix'])('is true of %j', source => {
    expect(isOnlyAPrompt(source)).toBe(true);
  });

  it.each(['x = 1\n%claude ask hello', '%claude ask hello\nx = 1', '%claude stats', '%%claudette\nhi'])('is false of %j', source => {
    expect(isOnlyAPrompt(source)).toBe(false);
  });
});
