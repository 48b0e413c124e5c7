/** Line differences, as people read them. */

export type Mark = ' ' | '+' | '-' | '…';

/** One line of a difference. `…` stands for lines that were left out. */
export interface DiffLine {
  readonly mark: Mark;
  readonly text: string;
  /** Number of the line on its own side, from 1; 0 for `…`. */
  readonly line: number;
}

const LONGEST = 2_000; // lines on each side that differ; above it everything is replaced, which is true if not small
const MOST_EDITS = 1_000;

/**
 * Compare two texts line by line.
 *
 * @param before - the old text.
 * @param after - the new text.
 * @param context - how many unchanged lines to keep around a change.
 * @returns the lines in reading order; empty if nothing differs.
 */
export function diffLines(before: string, after: string, context = 3): DiffLine[] {
  const old = split(before);
  const now = split(after);
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) {
    head++;
  }
  let tail = 0;
  while (tail < Math.min(old.length, now.length) - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) {
    tail++;
  }
  const middle = compare(old.slice(head, old.length - tail), now.slice(head, now.length - tail), head);
  if (middle.length === 0) {
    return [];
  }
  const same = (text: string, at: number): DiffLine => ({ mark: ' ', text, line: at + 1 });
  const lead = now.slice(0, head).map(same);
  const trail = now.slice(now.length - tail).map((text, at) => same(text, now.length - tail + at));
  return shorten([...lead, ...middle, ...trail], context);
}

/** Return how many lines were inserted and deleted. */
export function changed(lines: readonly DiffLine[]): { inserted: number; deleted: number } {
  let inserted = 0;
  let deleted = 0;
  for (const { mark } of lines) {
    inserted += Number(mark === '+');
    deleted += Number(mark === '-');
  }
  return { inserted, deleted };
}

function split(text: string): string[] {
  const lines = text.split('\n');
  if (lines[lines.length - 1] === '') {
    lines.pop();
  }
  return lines;
}

function compare(old: string[], now: string[], offset: number): DiffLine[] {
  const deleted = (at: number): DiffLine => ({ mark: '-', text: old[at] ?? '', line: offset + at + 1 });
  const inserted = (at: number): DiffLine => ({ mark: '+', text: now[at] ?? '', line: offset + at + 1 });
  const trace = old.length > LONGEST || now.length > LONGEST ? null : shortestEdit(old, now);
  if (trace === null) {
    return [...old.map((_, at) => deleted(at)), ...now.map((_, at) => inserted(at))];
  }
  // Walk the edit back from the end; one step deletes, inserts or keeps a line.
  const lines: DiffLine[] = [];
  let x = old.length;
  let y = now.length;
  for (let d = trace.length - 1; d >= 0; d--) {
    const ends = trace[d] ?? new Map<number, number>();
    const k = x - y;
    const down = k === -d || (k !== d && reach(ends, k - 1) < reach(ends, k + 1));
    const from = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : reach(ends, from);
    const fromY = d === 0 ? 0 : fromX - from;
    while (x > fromX && y > fromY) {
      x--;
      y--;
      lines.push({ mark: ' ', text: now[y] ?? '', line: offset + y + 1 });
    }
    if (d > 0) {
      lines.push(down ? inserted(--y) : deleted(--x));
    }
  }
  return deletionsFirst(lines.reverse());
}

function reach(ends: Map<number, number>, k: number): number {
  return ends.get(k) ?? -1;
}

/** Myers' greedy search: for every number of edits, how far each diagonal had come before it. `null`: too many edits. */
function shortestEdit(old: string[], now: string[]): Map<number, number>[] | null {
  let ends = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let d = 0; d <= Math.min(old.length + now.length, MOST_EDITS); d++) {
    trace.push(ends);
    const next = new Map(ends);
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && reach(ends, k - 1) < reach(ends, k + 1));
      let x = down ? reach(ends, k + 1) : reach(ends, k - 1) + 1;
      while (x < old.length && x - k < now.length && old[x] === now[x - k]) {
        x++;
      }
      next.set(k, x);
      if (x >= old.length && x - k >= now.length) {
        return trace;
      }
    }
    ends = next;
  }
  return null;
}

/** Within one change, people read what went before what came. */
function deletionsFirst(lines: DiffLine[]): DiffLine[] {
  const sorted: DiffLine[] = [];
  let change: DiffLine[] = [];
  const settle = (): void => {
    sorted.push(...change.filter(line => line.mark === '-'), ...change.filter(line => line.mark === '+'));
    change = [];
  };
  for (const line of lines) {
    if (line.mark === ' ') {
      settle();
      sorted.push(line);
    } else {
      change.push(line);
    }
  }
  settle();
  return sorted;
}

/** Leave out what is far from any change. */
function shorten(lines: DiffLine[], context: number): DiffLine[] {
  const keep = new Uint8Array(lines.length);
  lines.forEach((line, at) => {
    if (line.mark !== ' ') {
      keep.fill(1, Math.max(0, at - context), at + context + 1);
    }
  });
  const kept: DiffLine[] = [];
  lines.forEach((line, at) => {
    if (keep[at] === 1) {
      if (kept.length > 0 && keep[at - 1] === 0) {
        kept.push({ mark: '…', text: '', line: 0 });
      }
      kept.push(line);
    }
  });
  return kept;
}
