/** Questions that are asked where the person does not look: each is announced once, with a way to it. */

import { Notification } from '@jupyterlab/apputils';

import type { Question } from './protocol';
import { oneLine } from './text';

/** Where a question stands. */
export interface Asked {
  /** Name of the notebook or console. */
  readonly title: string;
  /** Whether the person can see the question now. */
  readonly isInSight: () => boolean;
  /** Bring it into sight. */
  readonly show: () => void;
}

/** A question that is answered at once, or that is only being drawn, is not announced. */
const ANNOUNCED_AFTER_MS = 1_500;

/** Announces the open questions of one run. */
export class Attention {
  /** Announce what is open, and take back what is not. */
  update(questions: readonly Question[], asked: Asked | null): void {
    const open = new Set(questions.map(question => question.id));
    for (const [id, withdraw] of [...this._announced]) {
      if (!open.has(id)) {
        withdraw();
        this._announced.delete(id);
      }
    }
    for (const question of questions) {
      if (asked !== null && !this._announced.has(question.id)) {
        this._announced.set(question.id, announceSoon(question, asked));
      }
    }
  }

  /** Take back what was announced. */
  dispose(): void {
    this.update([], null);
  }

  private readonly _announced = new Map<string, () => void>();
}

/** Announce a question that is out of sight after a while; return what takes that back. */
function announceSoon(question: Question, asked: Asked): () => void {
  let shown = '';
  const timer = setTimeout(() => {
    if (!asked.isInSight()) {
      shown = Notification.warning(`Claude asks in ${asked.title}: ${oneLine(question.title || question.tool, 120)}`, {
        autoClose: false,
        actions: [{ label: 'Show', displayType: 'accent', callback: asked.show }]
      });
    }
  }, ANNOUNCED_AFTER_MS);
  return () => {
    clearTimeout(timer);
    if (shown !== '') {
      Notification.dismiss(shown);
    }
  };
}
