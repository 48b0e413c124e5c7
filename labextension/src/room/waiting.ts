/** Sessions that wait for the person, announced where no view of the page does it: their cells were not drawn yet. */

import { announce } from '../attention';
import type { AllSessions } from './all_sessions';

export class WaitingSessions {
  constructor(private readonly _all: AllSessions) {
    _all.changed.connect(() => {
      this._look();
    });
  }

  private _look(): void {
    const waiting = new Set<string>();
    for (const { kernel, sessions } of this._all.kernels) {
      for (const { state, name, question, since, cell } of sessions.all) {
        if (state === 'waiting' && !kernel.connection.isShown(name)) {
          const key = JSON.stringify([kernel.id, name, since]);
          waiting.add(key);
          if (!this._announced.has(key)) {
            const words = `Claude asks in ${kernel.title}, session ${name}${question === '' ? '' : `: ${question}`}`;
            this._announced.set(key, announce(words, () => kernel.show(cell)));
          }
        }
      }
    }
    for (const [key, withdraw] of [...this._announced]) {
      if (!waiting.has(key)) {
        withdraw();
        this._announced.delete(key);
      }
    }
  }

  private readonly _announced = new Map<string, () => void>();
}
