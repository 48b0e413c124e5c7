/** What is said of sessions, in words. */

import type { Session } from '../protocol';
import { count, dollars, plural, wholeSeconds } from '../text';

/** How a session stands, as the panel shows it. */
export type Standing = 'waits' | 'works' | 'failed' | 'idle';

export function standingOf({ state }: Session): Standing {
  switch (state) {
    case 'waiting':
      return 'waits';
    case 'starting':
    case 'running':
      return 'works';
    case 'error':
      return 'failed';
    default:
      return 'idle';
  }
}

/** How a session stands, and since when. */
export function standingWords(session: Session, now: number): string {
  const standing = standingOf(session);
  const time = session.since > 0 ? ` ${wholeSeconds(Math.max(0, now - session.since))}` : '';
  switch (standing) {
    case 'waits':
      return session.question === '' ? 'waits for you' : `waits for you: ${session.question}`;
    case 'works':
      return `${session.state === 'starting' ? 'starts' : 'works'}${time}`;
    case 'failed':
      return 'failed';
    default:
      return session.background > 0 ? `idle, ${plural(session.background, 'task')} in the background` : 'idle';
  }
}

/** What a session has taken: tokens, how full its window is, its cost, the model. */
export function tookWords({ tokens, context, cost_usd: cost, model, turns }: Session): string {
  const full = context !== null && context.max > 0 ? `window ${Math.round((100 * context.used) / context.max)} % full` : '';
  const parts = [turns > 0 ? plural(turns, 'turn') : '', tokens > 0 ? `${count(tokens)} tokens` : '', full];
  return [...parts, cost > 0 ? dollars(cost) : '', shortModel(model)].filter(Boolean).join(' · ');
}

function shortModel(model: string): string {
  return model.replace(/^claude-/, '').replace(/-\d{8}$/, '');
}

/** All sessions in a few words; "" where there is nothing to say. */
export function summaryWords(sessions: readonly Session[]): string {
  const number = (wanted: Standing): number => sessions.filter(session => standingOf(session) === wanted).length;
  const [working, waiting] = [number('works'), number('waits')];
  const cost = sessions.reduce((sum, session) => sum + session.cost_usd, 0);
  const waits = sessions.reduce((sum, session) => sum + session.queue.length, 0);
  return [
    working > 0 ? `${working} ${working === 1 ? 'works' : 'work'}` : '',
    waiting > 0 ? `${waiting} ${waiting === 1 ? 'waits' : 'wait'}` : '',
    waits > 0 ? `${waits} queued` : '',
    cost > 0 ? dollars(cost) : ''
  ]
    .filter(Boolean)
    .join(', ');
}

/** When something was last changed, for a list that is sorted by it. */
export function dayWords(changed: number, now: Date): string {
  const then = new Date(changed * 1_000);
  const time = then.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return then.toDateString() === now.toDateString()
    ? time
    : then.toLocaleDateString([], { year: 'numeric', month: 'short', day: 'numeric' });
}

/** A name for the session that goes on with a conversation: short, readable, and not taken. */
export function nameFor(title: string, taken: readonly string[]): string {
  const words = title.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const name = words.slice(0, 3).join('-').slice(0, 24) || 'resumed';
  const isFree = (one: string): boolean => !taken.includes(one);
  let number = 2;
  let free = name;
  while (!isFree(free)) {
    free = `${name}-${number++}`;
  }
  return free;
}
