/** Reading a prompt's cell as text: its first line, and what stands in braces. The kernel has the last word on both. */

/** A word of the first line. */
export interface HeadWord {
  readonly kind: 'magic' | 'option' | 'value';
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** The line of a cell that makes it a prompt, with the comments before it. */
export interface PromptHead {
  /** Where the line begins. */
  readonly from: number;
  /** Where it ends; the prompt stands below. */
  readonly to: number;
  readonly session: string;
  readonly words: readonly HeadWord[];
}

/** A pair of braces that may stand for a value. */
export interface Braces {
  readonly from: number;
  readonly to: number;
  /** The variable at the beginning. */
  readonly root: string;
  /** Where it begins. */
  readonly rootFrom: number;
  /** Whether they stand where LaTeX or a shell has braces of its own. */
  readonly isTex: boolean;
}

/** A first line that begins further down than this is not looked for. */
export const LONGEST_HEAD = 4_000;
const LONGEST_BRACES = 500;
const DEFAULT_SESSION = 'main';

/** The kernel takes a blank and capitals for what they are meant. */
const HEAD = /^(?:[ \t]*(?:#[^\n]*)?\n)*([ \t]*%%[ \t]*claude(?=\s|$)[^\n]*)/i;
const WORD = /%%[ \t]+claude(?=\s|$)|(?:"(?:[^"\\]|\\.)*"|'[^']*'|\S)+/gi;
const OPTION = /^(--[A-Za-z][\w-]*|-[A-Za-z])/;

/**
 * Return the first line of a prompt; `null` where the cell is not one.
 *
 * @param text - the beginning of the cell, up to `LONGEST_HEAD` characters of it.
 */
export function promptHead(text: string): PromptHead | null {
  const found = HEAD.exec(text);
  if (found?.[1] === undefined) {
    return null;
  }
  const to = found[0].length;
  const from = to - found[1].length;
  const words = [...headWords(found[1], from)];
  return { from, to, session: sessionOf(words), words };
}

function* headWords(line: string, start: number): Generator<HeadWord> {
  let isFirst = true;
  for (const { 0: text, index } of line.matchAll(WORD)) {
    const from = start + index;
    const option = isFirst ? null : OPTION.exec(text)?.[1];
    if (isFirst) {
      yield { kind: 'magic', from, to: from + text.length, text };
    } else if (option == null) {
      yield { kind: 'value', from, to: from + text.length, text };
    } else {
      const end = from + option.length;
      yield { kind: 'option', from, to: end, text: option };
      const value = text.slice(option.length);
      if (value !== '') {
        const begin = end + (value.startsWith('=') ? 1 : 0);
        yield { kind: 'value', from: begin, to: from + text.length, text: value.replace(/^=/, '') };
      }
    }
    isFirst = false;
  }
}

function sessionOf(words: readonly HeadWord[]): string {
  let session = DEFAULT_SESSION;
  words.forEach((word, at) => {
    const value = words[at + 1];
    if (word.kind === 'option' && (word.text === '-s' || word.text === '--session') && value?.kind === 'value') {
      session = value.text.replace(/^(["'])(.*)\1$/, '$2');
    }
  });
  return session;
}

// What is code stays as typed; these are the rules of `claude_magic/values/placeholders.py`.
const CODE = new RegExp(
  '(?<fence>^(?:[ \\t>]|[-*+][ \\t]|\\d{1,9}[.)][ \\t])*(?<ticks>`{3,}(?=[^`\\n]*$)|~{3,})[^\\n]*\\n' +
    '[^]*?(?:^[ \\t>]*\\k<ticks>[`~]*[ \\t]*$|(?![^])))' +
    '|(?<code>(?<!`)(?<span>`+)(?!`)(?:(?!\\n[ \\t]*\\n)[^])*?(?<!`)\\k<span>(?!`))' +
    '|(?<brace>\\{)',
  'gm'
);
const NAME = '[\\p{L}_][\\p{L}\\p{N}_]*';
const INSIDE = new RegExp(
  `^(\\s*)(${NAME})(?:\\.${NAME}|\\[[^\\[\\]{}]*\\])*\\s*=?\\s*(?:![rsa])?(?::([^{}]*(?:\\{[^{}]*\\}[^{}]*)*))?$`,
  'u'
);
const FORMAT = /^(?:[^{}\n]?[<>=^])?[+-]?z?#?0?\d{0,4}[,_]?(?:\.\d{1,4})?[bcdeEfFgGnosxX%]?$/;
const SPACED_FORMAT = /^ z?#?0?\d{0,4}[,_]?(?:\.\d{1,4})?[bcdeEfFgGnxX%]$/;
const TEX = /(?:\\[A-Za-z]+\*?(?:\[[^\]\n]*\])?|[_^}$])$/;
const TEX_COMMAND = /\\[A-Za-z]+\*?(?:\[[^\]\n]*\]|\{[^{}\n]*\})*$/;

/** Return the braces of a prompt that may stand for a value, outside of code, in order. */
export function braces(prompt: string): readonly Braces[] {
  const found: Braces[] = [];
  CODE.lastIndex = 0;
  for (let match = CODE.exec(prompt); match !== null; match = CODE.exec(prompt)) {
    if (match.groups?.['brace'] === undefined) {
      continue;
    }
    const one = bracesAt(prompt, match.index);
    if (one === 'escaped') {
      CODE.lastIndex = Math.max(prompt.indexOf('}}', match.index) + 2, CODE.lastIndex);
    } else if (one !== null) {
      found.push(one);
      CODE.lastIndex = one.to;
    }
  }
  return found;
}

function bracesAt(text: string, from: number): Braces | 'escaped' | null {
  if (text.startsWith('{{', from)) {
    return /^\{\{[^{}\n]*\}\}/.test(text.slice(from, from + LONGEST_BRACES)) ? 'escaped' : null;
  }
  const to = closing(text, from);
  const inside = to === -1 ? null : INSIDE.exec(text.slice(from + 1, to));
  if (inside?.[2] === undefined || !isFormat(inside[3])) {
    return null;
  }
  const before = text.slice(Math.max(0, from - 80), from);
  if (TEX_COMMAND.test(before)) {
    return null;
  }
  const rootFrom = from + 1 + (inside[1]?.length ?? 0);
  return { from, to: to + 1, root: inside[2], rootFrom, isTex: TEX.test(before) };
}

/** Return where the brace is that closes one, on the same line and with no backtick between; -1 if there is none. */
function closing(text: string, from: number): number {
  let depth = 0;
  const end = Math.min(text.length, from + LONGEST_BRACES);
  for (let at = from; at < end; at++) {
    const char = text[at];
    if (char === '\n' || char === '`') {
      return -1;
    }
    depth += char === '{' ? 1 : char === '}' ? -1 : 0;
    if (depth === 0) {
      return at;
    }
  }
  return -1;
}

function isFormat(spec: string | undefined): boolean {
  if (spec === undefined) {
    return true;
  }
  const plain = spec.replace(/\{[^{}]*\}/g, '1');
  return /^\s/.test(plain) ? SPACED_FORMAT.test(plain) : FORMAT.test(plain) || plain.includes('%');
}
