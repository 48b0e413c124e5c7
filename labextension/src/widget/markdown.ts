/** Markdown where there is no JupyterLab to render it. */

import { fillMarkdown } from '../plain_markdown';

/** Fill `node` with rendered Markdown. */
export function renderMarkdown(node: HTMLElement, text: string): Promise<void> {
  fillMarkdown(node, text);
  return Promise.resolve();
}
