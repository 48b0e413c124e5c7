import { describe, expect, it } from 'vitest';

import { el } from '../src/view/dom';
import { frameTables } from '../src/view/table';

function framed(...rows: string[][]): HTMLElement {
  const [head = [], ...body] = rows;
  const row = (name: 'th' | 'td', words: string[]): HTMLElement => el('tr', '', ...words.map(word => el(name, '', word)));
  const table = el('table', '', el('thead', '', row('th', head)), el('tbody', '', ...body.map(words => row('td', words))));
  const root = el('div', '', table);
  frameTables(root);
  return root;
}

function numeric(root: HTMLElement): boolean[] {
  return [...root.querySelectorAll('th')].map(cell => cell.classList.contains('claude-number'));
}

describe('a table', () => {
  it('stands in a box that the keys can scroll, once', () => {
    const root = framed(['a'], ['b']);
    frameTables(root);
    expect(root.querySelectorAll('.claude-table')).toHaveLength(1);
    const box = root.querySelector<HTMLElement>('.claude-table');
    expect([box?.tabIndex, box?.getAttribute('role'), box?.firstElementChild?.localName]).toEqual([0, 'region', 'table']);
  });

  it('has its numbers under each other', () => {
    const root = framed(
      ['shop', 'orders', 'revenue', 'margin', 'month', 'left', 'empty'],
      ['1', '1,204', '$48,160.20', '31.5 %', '2026-09', '12', ''],
      ['2', '-7', '$0.5', '−2 %', '2026-10', 'n/a', '']
    );
    expect(numeric(root)).toEqual([false, true, true, true, false, true, false]);
    expect(root.querySelectorAll('td.claude-number')).toHaveLength(8);
  });

  it('may have rows of different length, or none', () => {
    expect(numeric(framed(['a', 'b'], ['x'], ['y', '3']))).toEqual([false, true]);
    expect(numeric(framed(['a', 'b']))).toEqual([false, false]);
  });
});
