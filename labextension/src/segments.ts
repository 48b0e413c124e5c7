/**
 * Markdown in segments that a parser renders soon and whole; the rest is to be shown as plain text.
 *
 * Plain is what would take a parser too long, and a table with more cells in a row than columns: parsers drop those cells.
 * Code in fences is a segment of its own as soon as there is plain text to part from, so that it is beyond doubt for the
 * parser where code begins. `claude_magic/rendering/segments.py` does the same.
 */

import { DEEPEST, LONGEST_PARAGRAPH, MOST_CELLS, MOST_SIGNS, MOST_SIGNS_IN_A_ROW, MOST_WORK } from './limits';

export interface Segment {
  readonly kind: 'markdown' | 'plain';
  readonly text: string;
}

const SIGN = /[*_~[\]<`@&]/g;
const BEGINS_ITEM = /^(?:[ \t>]*)(?:[-*+]|\d{1,9}[.)])[ \t]+\S|^ {0,3}#{1,6}[ \t]|^ {0,3}\|/;
const NESTING = /^(?:[ \t]|>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))*/;
const MARKER = />|[-*+]|\d{1,9}[.)]/g;
const COSTS = /[*_~[\]<`@&|$\\]/g;
const QUOTE_MARKS = /^[ \t>]*/;
const DELIMITER = /^(?=[^-]*-)(?=[^|:]*[|:])[ \t>]*[-|: \t]+$/;
const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/;

/** Divide a text; joined by line feeds, the segments are the text again. */
export function segments(text: string): Segment[] {
  const lines = text.split('\n');
  const plain = findPlain(lines);
  if (plain.size === 0) {
    return [{ kind: 'markdown', text }];
  }
  const found: Segment[] = [];
  let from = 0;
  for (const [first, end] of stretches(lines, plain)) {
    if (first > from) {
      found.push({ kind: 'markdown', text: lines.slice(from, first).join('\n') });
    }
    found.push({ kind: plain.has(first) ? 'plain' : 'markdown', text: lines.slice(first, end).join('\n') });
    from = end;
  }
  if (from < lines.length) {
    found.push({ kind: 'markdown', text: lines.slice(from).join('\n') });
  }
  return found;
}

/** Return the fences and the plain stretches, as places of their first line and of the line after them. */
function stretches(lines: readonly string[], plain: ReadonlySet<number>): [number, number][] {
  const found: [number, number][] = [];
  for (let at = 0; at < lines.length; ) {
    const isPlain = plain.has(at);
    let end = isPlain ? at : fenceEnd(lines, at);
    while (isPlain && plain.has(end)) {
      end++;
    }
    if (end > at) {
      found.push([at, end]);
    }
    at = Math.max(end, at + 1);
  }
  return found;
}

/** Return the place after the fence that begins in a line; the line's own place if none does. */
function fenceEnd(lines: readonly string[], at: number): number {
  const mark = FENCE.exec(lines[at] ?? '')?.[1];
  if (mark === undefined) {
    return at;
  }
  const closes = new RegExp(`^ {0,3}${mark}${mark.charAt(0)}*[ \\t]*$`);
  const closing = lines.findIndex((line, place) => place > at && closes.test(line));
  return closing === -1 ? lines.length : closing + 1;
}

function findPlain(lines: readonly string[]): Set<number> {
  const plain = new Set<number>();
  const add = (from: number, end: number): void => {
    for (let place = from; place < end; place++) {
      plain.add(place);
    }
  };
  let left = MOST_WORK;
  for (let at = 0; at < lines.length; ) {
    const after = fenceEnd(lines, at);
    const isFence = after > at;
    const end = isFence ? after : rowEnd(lines, at);
    left -= costOf(lines.slice(at, isFence ? at + 1 : end));
    if (left <= 0) {
      add(at, lines.length);
      break;
    }
    for (const [first, last] of isFence ? [] : plainStretches(lines.slice(at, end))) {
      add(at + first, at + last);
    }
    at = Math.max(end, at + 1);
  }
  return plain;
}

/** Return what is plain among lines without an empty one between them: first lines, and the lines after the last. */
function plainStretches(row: readonly string[]): [number, number][] {
  if (signsOf(row) > MOST_SIGNS_IN_A_ROW) {
    return [[0, row.length]];
  }
  const costly = paragraphs(row).filter(([first, end]) => isCostly(row.slice(first, end)));
  return [...costly, ...raggedTables(row)];
}

/** Return the tables in which a row has more cells than there are columns. */
function raggedTables(row: readonly string[]): [number, number][] {
  const empty = row.flatMap((line, place) => (line.replace(QUOTE_MARKS, '') === '' ? [place] : []));
  const ends = [...empty, row.length];
  return ends.flatMap((end, index) => {
    const first = ends[index - 1] ?? 0;
    const begin = raggedTable(row.slice(first, end));
    return begin === -1 ? [] : [[first + begin, end] as [number, number]];
  });
}

/** Return the line where such a table begins; -1 if there is none. */
function raggedTable(lines: readonly string[]): number {
  let columns = MOST_CELLS;
  let begin = -1;
  for (const [place, line] of lines.entries()) {
    if (place > 0 && DELIMITER.test(line)) {
      columns = Math.min(columns, line.split('|').filter(cell => cell.includes('-')).length);
      begin = begin === -1 ? place - 1 : begin;
    } else if (begin !== -1 && hasMoreCells(line, columns)) {
      return begin;
    }
  }
  return -1;
}

/** Whether a parser may find more cells than columns; what looks like the marker of an item may be one, or a cell. */
function hasMoreCells(line: string, columns: number): boolean {
  return [QUOTE_MARKS, NESTING].some(prefix => {
    const cells = line.replace(prefix, '').replace(/\\[\\|]/g, '..').split('|');
    return cells.slice(cells[0]?.trim() === '' ? columns + 1 : columns).some(cell => cell.trim() !== '');
  });
}

function costOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => {
    const signs = (line.match(COSTS)?.length ?? 0) + (line.match(/\[/g)?.length ?? 0);
    return sum + (line === '' ? 0 : 2 + 2 * markersOf(line) + signs);
  }, 0);
}

/** Return the place of the next empty line or fence. */
function rowEnd(lines: readonly string[], at: number): number {
  let end = at;
  while (end < lines.length && (lines[end] ?? '').trim() !== '' && (end === at || fenceEnd(lines, end) === end)) {
    end++;
  }
  return end;
}

/** Divide lines where one begins an item, a heading or a row of a table. */
function paragraphs(row: readonly string[]): [number, number][] {
  const starts = row.flatMap((line, place) => (place === 0 || BEGINS_ITEM.test(line) ? [place] : []));
  return starts.map((start, index) => [start, starts[index + 1] ?? row.length]);
}

function isCostly(lines: readonly string[]): boolean {
  const size = lines.reduce((sum, line) => sum + line.length, 0);
  return (
    size > LONGEST_PARAGRAPH ||
    signsOf(lines) > MOST_SIGNS ||
    lines.some(line => depthOf(line) > DEEPEST || line.split('|', MOST_CELLS + 2).length > MOST_CELLS + 1)
  );
}

function signsOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + (line.match(SIGN)?.length ?? 0), 0);
}

function markersOf(line: string): number {
  return (NESTING.exec(line)?.[0] ?? '').match(MARKER)?.length ?? 0;
}

/** Return how deep a line may be nested: by its markers, and by its indentation, which stands for markers above it. */
function depthOf(line: string): number {
  const prefix = NESTING.exec(line)?.[0] ?? '';
  const markers = markersOf(line);
  const indent = /^[ \t]*/.exec(prefix)?.[0].replaceAll('\t', '    ').length ?? 0;
  return markers === 0 ? 0 : markers + Math.floor(indent / 2);
}

const BUSY_MS = 40; // a frame or two; longer than that the page does not answer

let rested = 0;

/** Let the page do what else it has to, if the last rest is a while ago. */
export async function rest(): Promise<void> {
  if (performance.now() - rested > BUSY_MS) {
    await new Promise(resolve => {
      setTimeout(resolve);
    });
    rested = performance.now();
  }
}

/** Make an element that shows a text as it is. */
export function plainParagraph(text: string): HTMLElement {
  const paragraph = document.createElement('p');
  paragraph.className = 'claude-as-written';
  paragraph.textContent = text;
  return paragraph;
}
