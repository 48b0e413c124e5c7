import { describe, expect, it, vi } from 'vitest';

import { markTitle } from '../src/title_mark';

describe("the browser's title", () => {
  it('says how many things wait, whatever JupyterLab writes', async () => {
    document.title = 'a.ipynb';
    const first = markTitle();
    const second = markTitle();
    expect(document.title).toBe('(2) a.ipynb');
    document.title = 'b.ipynb';
    await vi.waitFor(() => {
      expect(document.title).toBe('(2) b.ipynb');
    });
    first();
    first();
    expect(document.title).toBe('(1) b.ipynb');
    second();
    expect(document.title).toBe('b.ipynb');
  });
});
