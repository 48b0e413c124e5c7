/** Where one top-level block of Markdown ends and the next begins, found while the text still grows. */

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const LIST_OR_INDENTED = /^(?: {2,}|\t| {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$))/;
const MATH = /^ {0,3}(?:\$\$|\\\[)/;

/** A fenced code block that is still open. */
export interface OpenFence {
  readonly language: string;
  /** Offset of the first character of its code. */
  readonly start: number;
}

/**
 * Splits a growing Markdown text into top-level blocks.
 *
 * Blocks are parted where an empty line is followed by a line that certainly begins something new: not inside a fenced
 * code block or displayed formula, and not between the items of a list. A doubtful boundary does not count.
 */
export class BlockSplitter {
  /** Everything before this offset is finished: no further text can change how it looks. */
  get end(): number {
    return this._end;
  }

  /** The code block in which the text ends now, if it does and nothing but it is open. */
  get openFence(): OpenFence | null {
    return this._fence !== null && this._fence.from === this._end ? this._fence : null;
  }

  /**
   * Look at more of the text.
   *
   * @param text - the whole text so far; it must begin with what was given before.
   * @returns offsets at which blocks end, in order.
   */
  grow(text: string): number[] {
    const ends: number[] = [];
    for (;;) {
      const newline = text.indexOf('\n', this._line);
      if (newline === -1) {
        return ends;
      }
      const end = this._readLine(text.slice(this._line, newline), this._line, newline + 1);
      if (end > this._end) {
        this._end = end;
        ends.push(end);
      }
      this._line = newline + 1;
    }
  }

  private _readLine(line: string, from: number, next: number): number {
    if (this._fence !== null) {
      return this._inFence(line, next);
    }
    if (this._math !== '') {
      this._math = line.includes(this._math) ? '' : this._math;
      return 0;
    }
    if (line.trim() === '') {
      this._blank = true;
      return 0;
    }
    const begins = this._blank && !(this._inList && LIST_OR_INDENTED.test(line)) && from > this._end;
    const end = begins ? from : 0;
    if (begins || from === this._end) {
      this._inList = LIST_OR_INDENTED.test(line);
    }
    this._blank = false;
    this._open(line, from, next, Math.max(end, this._end));
    return end;
  }

  private _open(line: string, from: number, next: number, blockStart: number): void {
    const fence = FENCE.exec(line);
    if (fence?.[1] !== undefined && !(fence[1].startsWith('`') && fence[2]?.includes('`'))) {
      // A fence may end a paragraph without an empty line; the block then begins with that paragraph.
      this._fence = {
        mark: fence[1],
        language: fence[2]?.trim().split(/\s/)[0] ?? '',
        start: next,
        from: blockStart === from ? from : -1
      };
      return;
    }
    const math = MATH.exec(line)?.[0].trim();
    if (math !== undefined) {
      const close = math === '$$' ? '$$' : '\\]';
      this._math = line.trim().slice(2).includes(close) ? '' : close;
    }
  }

  private _inFence(line: string, next: number): number {
    const fence = this._fence;
    const close = FENCE.exec(line);
    const mark = close?.[1] ?? '';
    if (fence === null || !mark.startsWith(fence.mark) || close?.[2]?.trim() !== '') {
      return 0;
    }
    this._fence = null;
    this._blank = true;
    // After its fence a code block is finished, unless it stands in a list.
    return this._inList ? 0 : next;
  }

  private _end = 0;
  private _line = 0;
  private _blank = false;
  private _inList = false;
  private _math = '';
  private _fence: (OpenFence & { mark: string; from: number }) | null = null;
}

/** Cut a finished text into pieces of whole blocks, none much longer than `size` characters. */
export function pieces(text: string, size: number): string[] {
  const splitter = new BlockSplitter();
  const ends = [...splitter.grow(text), text.length];
  const cut: string[] = [];
  let from = 0;
  let last = 0;
  for (const end of ends) {
    if (end - from > size && last > from) {
      cut.push(text.slice(from, last));
      from = last;
    }
    last = end;
  }
  if (from < text.length) {
    cut.push(text.slice(from));
  }
  return cut;
}
