/**
 * Markdown in segments that cost little to render: what would take a parser too long is to be shown as plain text.
 *
 * Code in fences is a segment of its own as soon as there is plain text to part from, so that it is beyond doubt for the
 * parser where code begins. `claude_magic/rendering/segments.py` does the same.
 */

import { DEEPEST, LONGEST_PARAGRAPH, MOST_CELLS, MOST_SIGNS, MOST_SIGNS_IN_A_ROW } from './limits';

export interface Segment {
  readonly kind: 'markdown' | 'plain';
  readonly text: string;
}

const SIGN = /[*_~[\]<`@&]/g;
const BEGINS_ITEM = /^(?:[ \t>]*)(?:[-*+]|\d{1,9}[.)])[ \t]+\S|^ {0,3}#{1,6}[ \t]|^ {0,3}\|/;
const NESTING = /^(?:[ \t]|>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))*/;
const MARKER = />|[-*+]|\d{1,9}[.)]/g;
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
  for (let at = 0; at < lines.length; ) {
    const after = fenceEnd(lines, at);
    if (after > at) {
      at = after;
      continue;
    }
    const end = rowEnd(lines, at);
    const row = lines.slice(at, end);
    if (signsOf(row) > MOST_SIGNS_IN_A_ROW) {
      add(at, end);
    } else {
      for (const [first, size] of paragraphs(row)) {
        if (isCostly(row.slice(first, first + size))) {
          add(at + first, at + first + size);
        }
      }
    }
    at = Math.max(end, at + 1);
  }
  return plain;
}

/** Return the place of the next empty line or fence. */
function rowEnd(lines: readonly string[], at: number): number {
  let end = at;
  while (end < lines.length && (lines[end] ?? '').trim() !== '' && (end === at || fenceEnd(lines, end) === end)) {
    end++;
  }
  return end;
}

/** Divide lines where one begins an item, a heading or a row of a table; return first lines and sizes. */
function paragraphs(row: readonly string[]): [number, number][] {
  const starts = row.flatMap((line, place) => (place === 0 || BEGINS_ITEM.test(line) ? [place] : []));
  return starts.map((start, index) => [start, (starts[index + 1] ?? row.length) - start]);
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

/** Return how deep a line may be nested: by its markers, and by its indentation, which stands for markers above it. */
function depthOf(line: string): number {
  const prefix = NESTING.exec(line)?.[0] ?? '';
  const markers = prefix.match(MARKER)?.length ?? 0;
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
