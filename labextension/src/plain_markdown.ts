/**
 * Markdown to elements where there is no JupyterLab to render it. No HTML is ever made or parsed on the way: what the
 * parser finds becomes elements and text nodes of a document that loads and runs nothing, and is cleaned there.
 */

import { Marked } from 'marked';
import type { MarkedToken, Token, Tokens } from 'marked';

import { plainFormula } from './formula';
import { highlight } from './highlight';
import { plainParagraph, rest, segments } from './segments';
import { fenceInfo, hideRawHtml, imageWords, rawText, strict } from './strict';
import { visible } from './text';

interface Formula extends Tokens.Generic {
  readonly type: 'formula' | 'displayed';
  readonly text: string;
}

const DISPLAYED = /^ {0,3}(?:\$\$([^$]+)\$\$|\\\[([^]+?)\\\])[ \t]*(?:\n|$)/;
const INLINE =
  /^(?:\$\$(?!\s*\$)([^$]+)\$\$|\$(?![\s$])((?:[^$`\n\\]|\\[^\n])+?)(?<!\s)\$(?!\d)|\\\(([^]+?)\\\)|\\\[([^]+?)\\\])/;

const marked = new Marked({
  gfm: true,
  extensions: [
    {
      name: 'displayed',
      level: 'block',
      start: source => /(?:^|\n) {0,3}(?:\$\$|\\\[)/.exec(source)?.index,
      tokenizer: source => formula('displayed', DISPLAYED.exec(source))
    },
    {
      name: 'formula',
      level: 'inline',
      start: source => /\$|\\[([]/.exec(source)?.index,
      tokenizer: source => formula('formula', INLINE.exec(source))
    }
  ]
});

function formula(type: Formula['type'], match: RegExpExecArray | null): Formula | undefined {
  return match === null ? undefined : { type, raw: match[0], text: match.slice(1).join('') };
}

/** Fill `node` with rendered Markdown; nothing in `text` is trusted. */
export async function renderMarkdown(node: HTMLElement, text: string): Promise<void> {
  const content = document.createDocumentFragment();
  for (const segment of segments(visible(text))) {
    await rest();
    content.append(...(segment.kind === 'plain' ? [plainParagraph(segment.text)] : build(segment.text)));
  }
  node.replaceChildren(content);
  node.querySelectorAll('pre > code').forEach(code => {
    highlight(code, /language-(\S+)/.exec(code.className)?.[1] ?? '');
  });
}

function build(markdown: string): Node[] {
  const page = new DOMParser().parseFromString('', 'text/html');
  new Builder(page).append(page.body, marked.lexer(hideRawHtml(markdown)));
  strict(page.body);
  return [...page.body.childNodes].map(child => document.importNode(child, true));
}

class Builder {
  constructor(private readonly _page: Document) {
    this._decoder = _page.createElement('textarea');
  }

  append(parent: Element, tokens: readonly Token[] = []): void {
    for (const token of tokens) {
      this._one(parent, token as MarkedToken | Formula);
    }
  }

  private _one(parent: Element, token: MarkedToken | Formula): void {
    switch (token.type) {
      case 'heading':
        this.append(this._add(parent, `h${token.depth}`), token.tokens);
        return;
      case 'paragraph':
        this.append(this._add(parent, 'p'), token.tokens);
        return;
      case 'blockquote':
      case 'strong':
      case 'em':
      case 'del':
        this.append(this._add(parent, token.type), token.tokens);
        return;
      case 'hr':
      case 'br':
        this._add(parent, token.type);
        return;
      case 'text':
        this._text(parent, token);
        return;
      case 'code':
        this._fence(parent, token);
        return;
      case 'codespan':
        this._code(parent, token.text, '');
        return;
      case 'formula':
        this._code(parent, plainFormula(token.text), 'math');
        return;
      case 'displayed':
        this._code(this._add(parent, 'div'), plainFormula(token.text), 'math');
        return;
      case 'link':
        this._link(parent, token);
        return;
      case 'image':
        parent.append(rawText(imageWords(this._decode(token.text), this._decode(token.href), this._decode(token.title ?? ''))));
        return;
      case 'list':
        this._list(parent, token);
        return;
      case 'table':
        this._table(parent, token);
        return;
      case 'escape':
      case 'html':
        parent.append(rawText(token.text));
        return;
      default:
        // Space between blocks, and definitions of links.
        return;
    }
  }

  private _text(parent: Element, token: Tokens.Text | Tokens.Tag): void {
    if ('tokens' in token) {
      this.append(parent, token.tokens);
    } else {
      parent.append(rawText(this._decode(token.text)));
    }
  }

  private _fence(parent: Element, token: Tokens.Code): void {
    const { language, more } = fenceInfo(token.lang ?? '');
    if (more) {
      this._code(this._add(parent, 'p'), more, '');
    }
    this._code(this._add(parent, 'pre'), `${token.text}\n`, language);
  }

  private _code(parent: Element, text: string, language: string): void {
    const code = this._add(parent, 'code');
    if (language) {
      code.className = `language-${language}`;
    }
    code.textContent = rawText(text);
  }

  private _link(parent: Element, token: Tokens.Link): void {
    const link = this._add(parent, 'a');
    link.setAttribute('href', rawText(this._decode(token.href)));
    link.setAttribute('title', rawText(this._decode(token.title ?? '')));
    this.append(link, token.tokens);
  }

  private _list(parent: Element, token: Tokens.List): void {
    const list = this._add(parent, token.ordered ? 'ol' : 'ul');
    if (token.ordered && token.start !== '') {
      list.setAttribute('start', String(token.start));
    }
    for (const item of token.items) {
      const entry = this._add(list, 'li');
      if (item.task) {
        entry.append(item.checked === true ? '☑ ' : '☐ ');
      }
      this.append(entry, item.tokens);
    }
  }

  private _table(parent: Element, token: Tokens.Table): void {
    const table = this._add(parent, 'table');
    this._row(this._add(table, 'thead'), 'th', token.header);
    const body = this._add(table, 'tbody');
    token.rows.forEach(row => {
      this._row(body, 'td', row);
    });
  }

  private _row(parent: Element, name: 'td' | 'th', cells: readonly Tokens.TableCell[]): void {
    const row = this._add(parent, 'tr');
    for (const cell of cells) {
      const element = this._add(row, name);
      if (cell.align) {
        element.setAttribute('align', cell.align);
      }
      this.append(element, cell.tokens);
    }
  }

  private _add(parent: Element, name: string): Element {
    const element = this._page.createElement(name);
    parent.append(element);
    return element;
  }

  /** Character references become characters. A text field knows them all, and nothing else. */
  private _decode(text: string): string {
    if (!text.includes('&')) {
      return text;
    }
    this._decoder.innerHTML = text.replaceAll('<', '&lt;');
    return this._decoder.value;
  }

  private readonly _decoder: HTMLTextAreaElement;
}
