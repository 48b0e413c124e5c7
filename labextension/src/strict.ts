/**
 * What may come of a model's Markdown: an allow-list of elements and attributes, applied to an inert document.
 *
 * It stands behind JupyterLab's sanitizer, or behind a builder of elements, and is stricter: no remote or drawn image, no form,
 * no style, no id, no class but those of coloured code. Diagrams stay the code they are. Raw HTML in the Markdown is shown as the text it is.
 */

import { visible } from './text';

const KEPT: ReadonlySet<string> = new Set(
  (
    'a b blockquote br code dd del dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre s span strong sub sup ' +
    'table tbody td tfoot th thead tr u ul div'
  ).split(' ')
);
// What has no text for a reader; everything else that is not kept is replaced by its children.
const DROPPED =
  'script,style,template,noscript,noembed,noframes,iframe,object,embed,applet,frame,frameset,svg,math,link,meta,base,' +
  'title,head,audio,video,source,track,canvas,map,area,textarea,select,button,dialog,xmp,plaintext,portal';
const SAFE_LINK = /^(?:https?:\/\/|mailto:)/i;
const ODD_LINK = /<a\s[^>]*href="(?!https?:\/\/|mailto:)/i;
const CODE_CLASS = /^(?:language-[\w+#.-]{1,40}|\u037c\w{1,6}|cm-[\w-]{1,40})$/;

/** Clean everything under `root`, which must belong to a document that loads and runs nothing. */
export function strict(root: ParentNode): void {
  root.querySelectorAll(DROPPED).forEach(element => {
    element.remove();
  });
  const tasks = [...root.querySelectorAll('li')].filter(isTask);
  root.querySelectorAll('input').forEach(replaceInput);
  for (const element of [...root.querySelectorAll('*')]) {
    if (!KEPT.has(element.localName) || element.namespaceURI !== 'http://www.w3.org/1999/xhtml') {
      element.replaceWith(...element.childNodes);
    } else if (element.localName === 'img') {
      replaceImage(element);
    } else {
      keepAttributes(element);
    }
  }
  tasks.forEach(task => {
    task.className = 'claude-task';
  });
  removeComments(root);
  showHidden(root);
}

/** Clean a piece of HTML; nothing of it is ever part of a live page before it is clean. */
export function strictHtml(html: string): string {
  const page = new DOMParser().parseFromString(html, 'text/html');
  strict(page.body);
  return page.body.innerHTML;
}

/** Write the addresses that will be no links behind their words; what a sanitizer does first would take them away. */
export function showAddresses(html: string): string {
  if (!ODD_LINK.test(html)) {
    return html;
  }
  const page = new DOMParser().parseFromString(html, 'text/html');
  for (const link of page.querySelectorAll('a[href]')) {
    const address = (link.getAttribute('href') ?? '').trim();
    if (!SAFE_LINK.test(address)) {
      link.removeAttribute('href');
      showAddress(link, address);
    }
  }
  return page.body.innerHTML;
}

function showAddress(link: Element, address: string): void {
  if (address !== '' && address !== link.textContent.trim()) {
    const code = link.ownerDocument.createElement('code');
    code.textContent = visible(address);
    link.append(' (', code, ')');
  }
}

function isTask(item: Element): boolean {
  const first = item.firstElementChild;
  const box = first?.localName === 'p' ? first.firstElementChild : first;
  return box?.localName === 'input' && box.getAttribute('type') === 'checkbox';
}

function replaceInput(input: Element): void {
  const isBox = input.getAttribute('type') === 'checkbox';
  input.replaceWith(isBox ? (input.hasAttribute('checked') ? '☑' : '☐') : '');
}

/** Return what stands in the place of a picture: its words, its title and its address, which is not fetched. */
export function imageWords(words: string, address: string, title: string): string {
  const place = /^data:/i.test(address) ? '' : visible(address);
  const more = [place, title && `"${visible(title)}"`].filter(Boolean).join(' ');
  return (words ? `[image: ${words}]` : '[image]') + (more && ` (${more})`);
}

function replaceImage(image: Element): void {
  const label = image.ownerDocument.createElement('span');
  const [words = '', address = '', title = ''] = ['alt', 'src', 'title'].map(name => image.getAttribute(name) ?? '');
  label.textContent = imageWords(words, address, title);
  image.replaceWith(label);
}

function keepAttributes(element: Element): void {
  const kept: [string, string][] = [];
  const classes = [...element.classList].filter(name => CODE_CLASS.test(name));
  if (classes.length > 0 && ['code', 'pre', 'span', 'div'].includes(element.localName)) {
    kept.push(['class', classes.join(' ')]);
  }
  if (element.localName === 'a') {
    const link = (element.getAttribute('href') ?? '').trim();
    if (SAFE_LINK.test(link)) {
      const title = element.getAttribute('title') ?? '';
      const words = visible(title ? `${link} "${title}"` : link);
      kept.push(['href', link], ['target', '_blank'], ['rel', 'noopener noreferrer nofollow'], ['title', words]);
    } else {
      showAddress(element, link);
    }
  }
  if (element.localName === 'td' || element.localName === 'th') {
    const align = element.getAttribute('align') ?? '';
    if (/^(?:left|right|center)$/.test(align)) {
      kept.push(['align', align]);
    }
  }
  if (element.localName === 'ol' && /^\d{1,9}$/.test(element.getAttribute('start') ?? '')) {
    kept.push(['start', element.getAttribute('start') ?? '1']);
  }
  replaceAttributes(element, kept);
}

function replaceAttributes(element: Element, kept: [string, string][]): void {
  for (const { name } of [...element.attributes]) {
    element.removeAttribute(name);
  }
  for (const [name, value] of kept) {
    element.setAttribute(name, value);
  }
}

function removeComments(root: ParentNode): void {
  const walker = root.ownerDocument?.createTreeWalker(root, NodeFilter.SHOW_COMMENT | NodeFilter.SHOW_PROCESSING_INSTRUCTION);
  const found: ChildNode[] = [];
  while (walker?.nextNode()) {
    found.push(walker.currentNode as ChildNode);
  }
  found.forEach(node => {
    node.remove();
  });
}

/** A character reference may stand for a character that does not show, which no one saw before it was decoded. */
function showHidden(root: ParentNode): void {
  const walker = root.ownerDocument?.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker?.nextNode()) {
    const node = walker.currentNode as Text;
    const honest = visible(node.data);
    if (honest !== node.data) {
      node.data = honest;
    }
  }
}

// Raw HTML in Markdown. A noncharacter stands for `<` while the Markdown is parsed, and becomes `&lt;` after it. What
// follows the marks of a fence and is not known as a language of code stands as a number between two others: JupyterLab,
// or an extension of it, may draw what such a fence holds (mermaid does, and fetches what the diagram names), and readers
// are to see all of it. In other places one more noncharacter before each word is enough.

const STAND_IN = '\ufdd0';
const NOT_A_LANGUAGE = '\ufdd1';
const ENCODES = '\ufdd2';
const ENCODED = /\ufdd2([\da-f]*)\ufdd2/g;
const STAND_INS = /[\ufdd0-\ufdd2]/g;
const CODE_TAG = /<pre><code class="language-\ufdd2([\da-f]*)\ufdd2">/g;
const OPENS_TAG = /<(?=[a-z/!?])(?!(?:https?|mailto):)/gi;
// Pictures, and what takes the text after it away: comments, and elements that are dropped with what they hold.
const OPENS_WORSE = new RegExp(`<(?=[!?]|/?(?:img|image|picture|figure|input|${DROPPED.replaceAll(',', '|')})\\b)`, 'gi');
const FENCE_LINE = /^ {0,3}(?:`{3,}|~{3,})/;
const FENCE_OPENS = /^((?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t]|\[[ xX]\][ \t])*(?:`{3,}(?=[^`\n]*$)|~{3,})[ \t]*)([^\n]*?)(?=[ \t]*$)/gm;
const FENCE_INFO = /(`{3,}|~{3,})([^\n`]*)/g;
const PLAIN_NAME = /^[\w+#.-]{1,40}$/;
const LANGUAGES: ReadonlySet<string> = new Set(
  (
    'python py python3 ipython pycon r julia jl sql mysql postgresql postgres sqlite plsql mssql bash sh shell zsh console ' +
    'powershell ps1 bat javascript js jsx mjs typescript ts tsx json json5 jsonc jsonl yaml yml toml ini cfg conf properties html xml svg ' +
    'css scss sass less c h cpp c++ cc hpp cs csharp java kotlin scala groovy go golang rust rs swift php ruby rb perl pl ' +
    'lua dart elixir erlang haskell hs ocaml fsharp clojure clj lisp scheme fortran cobol pascal ada matlab octave sas stata ' +
    'dockerfile docker makefile cmake nginx diff patch markdown md rst tex latex bibtex text txt plain plaintext output log csv tsv ' +
    'http graphql proto protobuf vb vbnet asm nasm verilog vhdl solidity zig nim crystal d awk sed vim cython pyx q cypher sparql turtle'
  ).split(' ')
);

/**
 * Hide raw HTML and the languages of fences from a Markdown parser, so that readers see them as they were written.
 *
 * @param markdown - the text of the model.
 * @returns the text to parse; give what comes out of the parser to `showRawHtml`.
 */
export function hideRawHtml(markdown: string): string {
  const text = markdown
    .replace(STAND_INS, '\ufffd')
    .replace(FENCE_OPENS, (_, marks: string, info: string) => marks + encodedInfo(info))
    .replace(FENCE_INFO, hideInfo);
  if (!text.includes('<')) {
    return text;
  }
  let inFence = false;
  return text
    .split('\n')
    .map(line => {
      // The colouring of code wants its `<`; what a mistaken fence lets through is sanitized, and hides nothing.
      if (FENCE_LINE.test(line)) {
        inFence = !inFence;
        return line.replace(OPENS_TAG, STAND_IN);
      }
      return line.replace(inFence ? OPENS_WORSE : OPENS_TAG, STAND_IN);
    })
    .join('\n');
}

function encodedInfo(info: string): string {
  if (info === '' || LANGUAGES.has(info.toLowerCase())) {
    return info;
  }
  const numbers = Array.from({ length: info.length }, (_, at) => info.charCodeAt(at).toString(16).padStart(4, '0'));
  return ENCODES + numbers.join('') + ENCODES;
}

function decoded(numbers: string): string {
  return (numbers.match(/.{4}/g) ?? []).map(number => String.fromCharCode(parseInt(number, 16))).join('');
}

/** What may be a fence in a place that was not thought of: the stand-in changes nothing that a reader sees. */
function hideInfo(_: string, marks: string, info: string): string {
  if (info.includes(ENCODES)) {
    return marks + info;
  }
  let known = false;
  const hidden = info.replace(/\S+/g, (word, at: number) => {
    known = info.slice(0, at).trim() === '' && LANGUAGES.has(word.toLowerCase());
    return known ? word : NOT_A_LANGUAGE + word;
  });
  return marks + hidden;
}

/**
 * Read what follows the marks of a fence.
 *
 * @param info - as it stands in text that `hideRawHtml` returned.
 * @returns the language, if it is a plain name, and what a reader is to see because it is more than that.
 */
export function fenceInfo(info: string): { readonly language: string; readonly more: string } {
  const raw = rawText(info).trim();
  if (raw === '' || PLAIN_NAME.test(raw)) {
    return { language: raw, more: '' };
  }
  const first = /^\S+/.exec(raw)?.[0] ?? '';
  return { language: LANGUAGES.has(first.toLowerCase()) ? first : '', more: raw };
}

/** Turn the stand-ins in the parser's HTML into what they stand for. */
export function showRawHtml(html: string): string {
  // A parser percent-encodes them in a URL.
  return html
    .replace(CODE_TAG, (_, numbers: string) => codeTag(decoded(numbers)))
    .replace(ENCODED, (_, numbers: string) => escaped(decoded(numbers)))
    .replaceAll(STAND_IN, '&lt;')
    .replaceAll('%EF%B7%90', '%3C')
    .replaceAll(NOT_A_LANGUAGE, '')
    .replaceAll('%EF%B7%91', '');
}

function codeTag(info: string): string {
  const { language, more } = fenceInfo(info);
  const tag = language ? `<pre><code class="language-${escaped(language)}">` : '<pre><code>';
  return more ? `<p><code>${escaped(more)}</code></p>${tag}` : tag;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Turn the stand-ins in a text into what they stand for; for text that no parser of HTML will see. */
export function rawText(text: string): string {
  return text
    .replace(ENCODED, (_, numbers: string) => decoded(numbers))
    .replaceAll(STAND_IN, '<')
    .replaceAll(NOT_A_LANGUAGE, '');
}
