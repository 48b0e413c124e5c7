/** Tables of an answer: each scrolls sideways in a box of its own, and its numbers stand under each other. */

import { el } from './dom';

const NUMBER = /^[-+−–~≈<>]?\s?[$€£¥]?\s?\d[\d\s.,'’]*(?:[eE][-+]?\d+)?\s?(?:%|‰|[kKMGT]?B?|m?s|×|x|h|min)?$/;
const NOTHING = /^(?:[-–—]|n\/?a|nan|null)?$/i;

/** Put every table in `root` into a box. */
export function frameTables(root: HTMLElement): void {
  for (const table of root.querySelectorAll('table')) {
    if (!table.closest('.claude-table')) {
      alignNumbers(table);
      const box = el('div', 'claude-table');
      box.tabIndex = 0; // so that the keys can scroll it
      box.setAttribute('role', 'region');
      box.setAttribute('aria-label', 'Table');
      table.replaceWith(box);
      box.append(table);
    }
  }
}

/** A column of numbers is aligned at its end, unless the answer says how; the first one names the rows. */
function alignNumbers(table: HTMLTableElement): void {
  const rows = [...table.rows].filter(row => row.parentElement?.localName !== 'thead');
  const columns = Math.max(0, ...rows.map(row => row.cells.length));
  for (let at = 1; at < columns; at++) {
    const words = rows.map(row => row.cells[at]?.textContent.trim() ?? '');
    const isNumeric = words.every(word => NUMBER.test(word) || NOTHING.test(word)) && words.some(word => NUMBER.test(word));
    if (isNumeric) {
      for (const { cells } of table.rows) {
        cells[at]?.classList.add('claude-number');
      }
    }
  }
}
