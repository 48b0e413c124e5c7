/** Long plain text and differences, the beginning at once and the rest when asked for; pictures. */

import type { DiffLine } from '../diff';
import type { Picture } from '../protocol';
import { linesOf, plural, visible } from '../text';
import { startLine } from '../tools';
import type { Hunk } from '../tools';
import { button, el } from './dom';

const FOLDED_LINES = 20;
const SLICE_LINES = 400; // a slice far from the visible part of the page costs no layout
const LONGEST_LINE = 4_000;

/** Make a block of plain text, folded when long. */
export function plainText(text: string, label: string): HTMLElement {
  const lines = linesOf(text);
  const pre = el('pre', 'claude-plain');
  pre.tabIndex = 0;
  pre.setAttribute('aria-label', label);
  return folded(pre, lines.length, (from, to) => slice(lines.slice(from, to)));
}

function slice(lines: readonly string[]): HTMLElement {
  const shown = lines.map(line =>
    line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}… ${plural(line.length, 'character')}` : line
  );
  return el('div', lines.length >= SLICE_LINES ? 'claude-slice' : '', `${shown.join('\n')}\n`);
}

/** Make a difference, with the numbers of the lines where they are known. */
export function difference(hunks: readonly Hunk[], result: string): HTMLElement {
  const pre = el('pre', 'claude-diff');
  pre.tabIndex = 0;
  pre.setAttribute('aria-label', 'Changes');
  const lines = hunks.flatMap((hunk, at): (DiffLine & { offset: number })[] => {
    const start = hunk.start > 0 ? hunk.start : startLine(result, hunk.lines);
    const parted = at > 0 ? [{ mark: '…' as const, text: '', line: 0, offset: 0 }] : [];
    return [...parted, ...hunk.lines.map(line => ({ ...line, offset: start }))];
  });
  const widest = Math.max(0, ...lines.map(line => (line.offset > 0 ? String(line.line + line.offset - 1).length : 0)));
  return folded(pre, lines.length, (from, to) =>
    el('div', 'claude-slice', ...lines.slice(from, to).map(line => diffRow(line, widest)))
  );
}

const MARK_CLASS = { '+': 'claude-inserted', '-': 'claude-deleted', ' ': '', '…': 'claude-hole' } as const;

function diffRow(line: DiffLine & { offset: number }, widest: number): HTMLElement {
  const row = el('span', `claude-diff-row ${MARK_CLASS[line.mark]}`.trim());
  if (widest > 0) {
    const number = line.offset > 0 && line.line > 0 ? String(line.line + line.offset - 1) : '';
    row.append(el('span', 'claude-line', number.padStart(widest)));
  }
  row.append(el('span', 'claude-mark', line.mark), line.text.slice(0, LONGEST_LINE), '\n');
  return row;
}

function folded(pre: HTMLElement, total: number, make: (from: number, to: number) => HTMLElement): HTMLElement {
  const first = total > FOLDED_LINES + 5 ? FOLDED_LINES : total;
  pre.append(make(0, first));
  if (first === total) {
    return pre;
  }
  const box = el('div', 'claude-folded', pre);
  const more = button(`Show all ${plural(total, 'line')}`, 'claude-quiet claude-more', () => {
    for (let from = first; from < total; from += SLICE_LINES) {
      pre.append(make(from, Math.min(total, from + SLICE_LINES)));
    }
    more.remove();
    pre.focus({ preventScroll: true });
  });
  box.append(more);
  return box;
}

/** A picture that nothing is fetched for, or what it is. */
export function pictureOf({ kind, data, words }: Picture): HTMLElement {
  if (data === '') {
    return el('p', 'claude-hint', visible(words));
  }
  const image = el('img', 'claude-picture');
  image.src = `data:${kind};base64,${data}`;
  image.alt = visible(words);
  image.title = visible(words);
  return image;
}
