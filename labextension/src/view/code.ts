/** Code blocks of an answer: a slim bar with the language, Copy, Insert below and Run below. */

import { cellOf } from '../cells';
import { button, el, setText } from './dom';
import { copyText } from './host';
import type { Host } from './host';

const FLASH_MS = 1_600;

/** Put a bar over every code block in `root`. */
export function frameCode(root: HTMLElement, host: Host): void {
  for (const pre of root.querySelectorAll('pre')) {
    if (!pre.closest('.claude-code')) {
      const language = /(?:^|\s)language-(\S+)/.exec(pre.querySelector('code')?.className ?? '')?.[1] ?? '';
      const frame = codeFrame(language, () => codeOf(pre), host);
      pre.replaceWith(frame);
      pre.tabIndex = 0;
      frame.append(pre);
    }
  }
}

/** Make the frame of a code block; the caller appends its `pre`. */
export function codeFrame(language: string, code: () => string, host: Host): HTMLElement {
  const copy = button('Copy', 'claude-quiet', () => {
    void copyText(code()).then(copied => {
      flashLabel(copy, copied ? 'Copied' : 'Could not copy');
    });
  });
  copy.setAttribute('aria-label', 'Copy this code');
  const bar = el('div', 'claude-code-bar', el('span', 'claude-grow', language), copy);
  const { insertCell } = host;
  if (insertCell !== null && cellOf('', language) !== null) {
    const insert = button('Insert below', 'claude-quiet claude-insert', () => {
      const cell = cellOf(code(), language);
      flashLabel(insert, cell !== null && insertCell(cell) ? 'Inserted' : 'Could not insert');
    });
    insert.setAttribute('aria-label', 'Insert this code as a new cell below');
    const run = button('Run below', 'claude-quiet claude-insert', event => {
      const cell = host.trusts(event) ? cellOf(code(), language) : null;
      flashLabel(run, cell !== null && insertCell(cell, true) ? 'Started' : 'Could not insert');
    });
    run.setAttribute('aria-label', 'Insert this code as a new cell below, and run it');
    bar.append(insert, run);
  }
  return el('div', 'claude-code', bar);
}

function codeOf(pre: HTMLElement): string {
  return pre.textContent.replace(/\n$/, '');
}

function flashLabel(element: HTMLButtonElement, label: string): void {
  const before = element.textContent;
  if (element.dataset['flashing'] !== undefined) {
    return;
  }
  element.dataset['flashing'] = '';
  setText(element, label);
  setTimeout(() => {
    delete element.dataset['flashing'];
    setText(element, before);
  }, FLASH_MS);
}
