/** Markdown where there is no JupyterLab to render it: no raw HTML, and as strictly sanitized. */

import DOMPurify from 'dompurify';
import { Marked } from 'marked';

import { hideRawHtml, showRawHtml, strict } from '../strict';
import { visible } from '../text';

const marked = new Marked({ gfm: true, breaks: false });

/** Fill `node` with rendered Markdown. */
export function renderMarkdown(node: HTMLElement, text: string): Promise<void> {
  const html = showRawHtml(marked.parse(hideRawHtml(visible(text)), { async: false }));
  const inert = new DOMParser().parseFromString('', 'text/html');
  inert.body.append(
    inert.importNode(DOMPurify.sanitize(html, { RETURN_DOM_FRAGMENT: true, FORBID_TAGS: ['img', 'style', 'form'] }), true)
  );
  strict(inert.body);
  node.replaceChildren(...[...inert.body.childNodes].map(child => document.importNode(child, true)));
  return Promise.resolve();
}
