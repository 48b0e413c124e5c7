/** All sessions in the status bar, in a few words; a click opens their panel. */

import { Widget } from '@lumino/widgets';

import { button, setText } from '../view/dom';
import type { AllSessions } from './all_sessions';
import { standingOf, summaryWords } from './words';

export class StatusItem extends Widget {
  constructor(
    private readonly _all: AllSessions,
    open: () => void
  ) {
    super();
    this.addClass('claude-status');
    this._words = button('', '', open);
    this._words.title = 'Show the sessions of Claude';
    this.node.append(this._words);
    _all.changed.connect(this._draw);
    this._draw();
  }

  override dispose(): void {
    this._all.changed.disconnect(this._draw);
    super.dispose();
  }

  private readonly _draw = (): void => {
    const words = summaryWords(this._all.all);
    setText(this._words, words === '' ? '' : `Claude: ${words}`);
    this.node.classList.toggle(
      'claude-waits',
      this._all.all.some(session => standingOf(session) === 'waits')
    );
    this.setHidden(words === '');
  };

  private readonly _words: HTMLButtonElement;
}
