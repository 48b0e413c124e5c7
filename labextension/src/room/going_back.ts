/** The dialog before a session goes back to an earlier turn: what would change, and how much of it is wanted. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import type { SessionCommand } from '../kernel_sessions';
import type { Rewind } from '../protocol';
import { linesOf, visible } from '../text';
import { el } from '../view/dom';

type What = NonNullable<SessionCommand['what']>;

const CHOICES: readonly (readonly [string, What])[] = [
  ['Files only', 'files'],
  ['Conversation only', 'conversation'],
  ['Go back', 'both']
];

/** Show what going back would change; return what the person wants of it, or `null`. */
export async function askWhatToTakeBack(look: Rewind): Promise<What | null> {
  const hasFiles = look.files.length > 0;
  const offered = CHOICES.filter(([, what]) => hasFiles || what !== 'files').filter(([, what]) => hasFiles || what === 'both');
  const buttons = [Dialog.cancelButton(), ...offered.map(([label]) => Dialog.okButton({ label }))];
  const { button } = await showDialog({ title: 'Go back?', body: body(look), buttons, defaultButton: buttons.length - 1 });
  return offered.find(([label]) => button.accept && label === button.label)?.[1] ?? null;
}

function body({ words, diff }: Rewind): Widget {
  const node = el('div', 'claude-back', el('p', 'claude-back-words', visible(words)));
  if (diff !== '') {
    const lines = linesOf(diff).map(line => el('span', kindOf(line), `${visible(line)}\n`));
    const shown = el('pre', 'claude-back-diff', ...lines);
    shown.tabIndex = 0;
    shown.setAttribute('aria-label', 'The difference');
    node.append(shown);
  }
  return new Widget({ node });
}

function kindOf(line: string): string {
  const isHead = /^(?:\+\+\+|---|@@)/.test(line);
  return isHead ? 'claude-back-head' : line.startsWith('+') ? 'claude-back-added' : line.startsWith('-') ? 'claude-back-removed' : '';
}
