/** Colours for code where there is no JupyterLab to give them: a few kinds of words, found by one expression. */

import { LONGEST_CODE } from './limits';

interface Language {
  /** Expressions, as source: what is a comment, what is a string. */
  readonly comment: string;
  readonly string: string;
  readonly keywords: ReadonlySet<string>;
  readonly ignoresCase?: boolean;
}

const QUOTED = `"(?:[^"\\\\\\n]|\\\\.)*"?|'(?:[^'\\\\\\n]|\\\\.)*'?`;
const HASH = '#[^\\n]*';
const SLASHES = '//[^\\n]*|/\\*[^]*?(?:\\*/|$)';

function language(comment: string, string: string, keywords: string, ignoresCase = false): Language {
  return { comment, string, keywords: new Set(keywords.split(' ')), ignoresCase };
}

const PYTHON = language(
  HASH,
  `[rbfuRBFU]{0,2}(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|${QUOTED})`,
  'and as assert async await break case class continue def del elif else except False finally for from global if import ' +
    'in is lambda match None nonlocal not or pass raise return True try while with yield'
);
const CURLY = language(
  SLASHES,
  `${QUOTED}|\`(?:[^\`\\\\]|\\\\.)*\`?`,
  'abstract as async await auto bool break case catch char class const constexpr continue default defer delete do double ' +
    'else enum export extends extern false final finally float fn for from func function go goto if impl implements import ' +
    'in instanceof int interface let long match mod mut namespace new nil null of override package private protected pub ' +
    'public return self short static struct super switch template this throw trait true try type typedef typename typeof ' +
    'undefined unsafe unsigned use using val var virtual void where while yield'
);
const SHELL = language(
  '(?<![\\w$])#[^\\n]*',
  QUOTED,
  'if then else elif fi for in do done while until case esac function return local export set unset alias echo cd exit sudo'
);
const SQL = language(
  '--[^\\n]*|/\\*[^]*?(?:\\*/|$)',
  QUOTED,
  'add all alter and as asc between by case create cross delete desc distinct drop else end exists from full group having ' +
    'in index inner insert into is join key left like limit not null offset on or order outer over partition primary ' +
    'references right select set table then union update using values view when where with',
  true
);
const OTHER = language(
  HASH,
  QUOTED,
  'begin break class def do else elsif end false FALSE for function if import in let library local NA next NULL null ' +
    'return struct then TRUE true using while'
);
const LANGUAGES: ReadonlyMap<string, Language> = new Map(
  (
    [
      ['python py python3 ipython pycon', PYTHON],
      ['javascript js jsx typescript ts tsx java c cpp h cs csharp go rust rs kotlin swift php scala dart json css', CURLY],
      ['bash sh shell zsh console', SHELL],
      ['sql postgresql mysql sqlite', SQL],
      ['r julia jl ruby rb yaml yml toml ini perl makefile dockerfile', OTHER]
    ] as const
  ).flatMap(([names, one]) => names.split(' ').map(name => [name, one] as const))
);
const NAMES_FOLLOW = new Set(['class', 'def', 'enum', 'fn', 'func', 'function', 'interface', 'struct', 'trait', 'type']);

/**
 * Colour the code in `node`, if its language is known.
 *
 * @param node - an element that holds nothing but text.
 * @param name - the word after the fence, such as `python`.
 */
export function highlight(node: Element, name: string): void {
  const known = LANGUAGES.get(name.toLowerCase());
  const code = node.textContent;
  if (known === undefined || code.length > LONGEST_CODE) {
    return;
  }
  const words = new RegExp(
    `(?<comment>${known.comment})|(?<string>${known.string})|(?<number>\\b(?:0[xX][\\da-fA-F_]+|\\d[\\d_]*(?:\\.\\d+)?(?:[eE][+-]?\\d+)?)\\b)` +
      `|(?<name>(?<![\\w.)])@[A-Za-z_][\\w.]*)|(?<word>[A-Za-z_]\\w*)`,
    'g'
  );
  const pieces: (string | Element)[] = [];
  let end = 0;
  let before = '';
  for (const match of code.matchAll(words)) {
    const kind = kindOf(match.groups ?? {}, known, before);
    before = match.groups?.['word'] ?? '';
    if (kind !== '') {
      pieces.push(code.slice(end, match.index), span(node.ownerDocument, kind, match[0]));
      end = match.index + match[0].length;
    }
  }
  node.replaceChildren(...pieces, code.slice(end));
}

function kindOf(groups: Record<string, string | undefined>, { keywords, ignoresCase }: Language, before: string): string {
  const word = groups['word'];
  if (word === undefined) {
    return ['comment', 'string', 'number', 'name'].find(kind => groups[kind] !== undefined) ?? '';
  }
  if (keywords.has(ignoresCase === true ? word.toLowerCase() : word)) {
    return 'keyword';
  }
  return NAMES_FOLLOW.has(before) ? 'name' : '';
}

function span(page: Document, kind: string, text: string): Element {
  const element = page.createElement('span');
  element.className = `code-${kind}`;
  element.textContent = text;
  return element;
}
