/** Markdown of the model, rendered by JupyterLab (its code colours and LaTeX), strictly sanitized. */

import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

import { plainParagraph, rest, segments } from './segments';
import { hideRawHtml, showAddresses, showRawHtml, strictHtml } from './strict';
import { visible } from './text';

const MARKDOWN = 'text/markdown';
// TeX that can make links, set styles, draw what looks like a button, or define words that do: it stays as its source.
const UNSAFE_TEX =
  /\\(?:href|url|class|css|style|html|data|mml|unicode|require|bbox|f?colorbox|definecolor|text?tip|mathtip|tooltip|action|toggle|[gex]?def|let|(?:re)?new(?:command|environment)|csname|includegraphics|input|(?:eq)?ref|label|begingroup|declare)/i;
const HAS_MATH = /\$|\\\(|\\\[|\\begin\{/;

/**
 * Make the renderer.
 *
 * @param registry - JupyterLab's own; it is not changed.
 * @returns a function that fills a node, in one step, once everything is ready. Formulas wait for `onPage`.
 */
export function markdownRenderer(
  registry: IRenderMimeRegistry
): (node: HTMLElement, text: string, onPage: Promise<void>) => Promise<void> {
  const safe = registry.clone({
    sanitizer: strictSanitizer(registry.sanitizer),
    ...(registry.markdownParser && { markdownParser: withoutHtml(registry.markdownParser) })
  });
  const render = async (text: string): Promise<HTMLElement> => {
    const renderer = safe.createRenderer(MARKDOWN);
    await renderer.renderModel(safe.createModel({ data: { [MARKDOWN]: text }, trusted: false }));
    const content = renderer.node;
    content.querySelectorAll('.jp-InternalAnchorLink').forEach(anchor => {
      anchor.remove();
    });
    content.querySelectorAll('[id], [data-jupyter-id]').forEach(element => {
      element.removeAttribute('id');
      element.removeAttribute('data-jupyter-id');
    });
    renderer.dispose();
    return content;
  };
  return async (node, text, onPage) => {
    const content = document.createElement('div');
    for (const segment of segments(visible(text))) {
      await rest();
      content.append(...(segment.kind === 'plain' ? [plainParagraph(segment.text)] : [...(await render(segment.text)).childNodes]));
    }
    // What the parser has decoded counts as well: `&#92;href` is a command, too.
    if (HAS_MATH.test(content.textContent) && !UNSAFE_TEX.test(content.textContent) && safe.latexTypesetter) {
      await onPage;
      await typeset(safe.latexTypesetter, content, node);
    }
    node.replaceChildren(...content.childNodes);
  };
}

/** Formulas take their size from the page, so they are set on it, out of sight. */
async function typeset(typesetter: IRenderMime.ILatexTypesetter, content: HTMLElement, near: HTMLElement): Promise<void> {
  const stage = document.createElement('div');
  stage.className = 'claude-stage';
  stage.append(content);
  (near.parentElement ?? document.body).append(stage);
  // Its type says void; JupyterLab's own typesetter returns a promise.
  await Promise.resolve(typesetter.typeset(content) as unknown);
  stage.remove();
}

function strictSanitizer(lab: IRenderMime.ISanitizer): IRenderMime.ISanitizer {
  return { sanitize: (dirty, options) => strictHtml(lab.sanitize(showAddresses(dirty), options)) };
}

function withoutHtml(parser: IRenderMime.IMarkdownParser): IRenderMime.IMarkdownParser {
  return { render: async source => showRawHtml(await parser.render(hideRawHtml(source))) };
}
