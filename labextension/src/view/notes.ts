/** What is said of the prompt above its answer; where values went along, it opens to the text that was sent. */

import type { RunState } from '../state';
import { visible } from '../text';
import { el, setText, show } from './dom';
import type { Piece } from './dom';

const WITH_VALUES = /^(?:filled in|attached): /;

export class PromptNotes implements Piece<RunState> {
  readonly node = el('div', 'claude-notes');

  constructor() {
    this._sent.append(this._summary, this._prompt);
    this._prompt.tabIndex = 0;
    this.node.append(this._sent, this._words);
  }

  update(run: RunState): void {
    const lines = run.filled.split('\n').filter(line => line !== '');
    const sent = run.prompt === '' ? undefined : lines.find(line => WITH_VALUES.test(line));
    setText(this._summary, visible(sent ?? ''));
    setText(this._prompt, sent === undefined ? '' : visible(run.prompt));
    setText(this._words, visible(lines.filter(line => line !== sent).join('\n')));
    show(this._sent, sent !== undefined);
    show(this._words, this._words.textContent !== '');
    show(this.node, lines.length > 0);
  }

  dispose(): void {
    // It holds nothing.
  }

  private readonly _summary = el('summary', 'claude-note');
  private readonly _prompt = el('pre', 'claude-plain');
  private readonly _sent = el('details', 'claude-sent');
  private readonly _words = el('p', 'claude-note');
}
