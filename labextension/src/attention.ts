/**
 * Questions that are asked where the person does not look: each is announced once, with a way to it, on the page, in the
 * browser's title and, where the person has allowed that, outside of the browser.
 */

import { Notification } from '@jupyterlab/apputils';

import type { Question } from './protocol';
import { oneLine } from './text';
import { markTitle } from './title_mark';

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
const ANNOUNCED_AFTER_MS = 600;

/** Whether anything is announced; a setting of the page. */
export const announcing = { isOn: true };

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
  let withdraw = (): void => undefined;
  const timer = setTimeout(() => {
    if (!asked.isInSight()) {
      withdraw = announce(`Claude asks in ${asked.title}: ${oneLine(question.title || question.tool, 120)}`, asked.show);
    }
  }, ANNOUNCED_AFTER_MS);
  return () => {
    clearTimeout(timer);
    withdraw();
  };
}

/** Announce something that waits for the person, with a way to it; return what takes it back. */
export function announce(words: string, show: () => void): () => void {
  if (!announcing.isOn) {
    return () => undefined;
  }
  const actions = [{ label: 'Show', displayType: 'accent' as const, callback: show }];
  const shown = Notification.warning(words, { autoClose: false, actions });
  const unmark = markTitle();
  const outside = announceOutside(words, show);
  return () => {
    Notification.dismiss(shown);
    unmark();
    outside?.close();
  };
}

/** Tell a person who looks at another window, if that was allowed. */
function announceOutside(words: string, show: () => void): globalThis.Notification | null {
  const isLookedAt = !document.hidden && document.hasFocus();
  if (isLookedAt || !('Notification' in globalThis) || globalThis.Notification.permission !== 'granted') {
    return null;
  }
  try {
    const shown = new globalThis.Notification('Claude waits for you', { body: words, tag: words });
    shown.onclick = () => {
      window.focus();
      show();
    };
    return shown;
  } catch {
    return null; // some browsers leave this to service workers
  }
}
