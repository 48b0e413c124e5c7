// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { draftAboutCell, draftAboutError, emptyDraft } from '../src/workbench/prompt_drafts';

describe('a new prompt', () => {
  it.each([
    ['x = 1', '%%claude\n'],
    ['%%claude\nhi', '%%claude\n'],
    ['%%claude -s analysis --bg\nhi', '%%claude -s analysis\n'],
    ['%%claude -s "two words"\nhi', '%%claude -s "two words"\n']
  ])('below %j goes on with its session', (above, draft) => {
    expect(emptyDraft(above)).toBe(draft);
  });
});

describe('a prompt about a cell', () => {
  it('brings its source and its output', () => {
    expect(draftAboutCell('print(5)\n', 'python', '5\n')).toBe(
      '%%claude\nAbout this cell:\n\n```python\nprint(5)\n```\n\nIts output:\n\n```text\n5\n```\n\n'
    );
  });

  it('says nothing of an output that there is not', () => {
    expect(draftAboutCell('# Title', 'markdown', ' ')).toBe('%%claude\nAbout this cell:\n\n```markdown\n# Title\n```\n\n');
  });

  it('goes on with the session of a prompt', () => {
    expect(draftAboutCell('%%claude -s b\nhi', 'python', '')).toBe('%%claude -s b\n');
  });

  it('cannot be closed by what it brings, and says what was left out', () => {
    const draft = draftAboutCell(`"""\n\`\`\`\n"""`, 'python', 'x'.repeat(2_000));
    expect(draft).toContain('````python\n"""\n```\n"""\n````');
    expect(draft).toContain('… (500 characters left out)');
  });
});

describe('a prompt about an error', () => {
  it('brings cell and traceback without colours, and what is wished', () => {
    expect(draftAboutError('1 / 0', '\u001b[0;31mZeroDivisionError\u001b[0m: division by zero', 'fix')).toBe(
      '%%claude\nThis cell failed:\n\n```python\n1 / 0\n```\n\n```text\nZeroDivisionError: division by zero\n```\n\n' +
        'Fix it: say in a sentence what was wrong, and give the corrected cell.'
    );
  });

  it('keeps the end of a long traceback', () => {
    const draft = draftAboutError('f()', `${'line\n'.repeat(2_000)}ValueError: the end`, 'explain');
    expect(draft).toContain('```text\n…');
    expect(draft).toContain('ValueError: the end\n```');
    expect(draft.length).toBeLessThan(3_300);
  });
});
