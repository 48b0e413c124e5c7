// @vitest-environment node
import { describe, expect, it, vi } from 'vitest';

import { KernelSessions } from '../src/kernel_sessions';
import type { AskAboutSessions } from '../src/kernel_sessions';
import type { Session } from '../src/protocol';

const named = (name: string): Session => ({ name }) as Session;

/** Answers that a test gives when it wants to. */
function asked(): { ask: AskAboutSessions; answers: ((sessions: Session[] | null) => void)[] } {
  const answers: ((sessions: Session[] | null) => void)[] = [];
  const ask: AskAboutSessions = {
    sessions: () => new Promise(resolve => answers.push(resolve)),
    conversations: () => Promise.resolve([]),
    turns: () => Promise.resolve([]),
    command: () => Promise.resolve({ problem: '', words: '', rewind: null })
  };
  return { ask, answers };
}

describe('the sessions of a kernel', () => {
  it('are asked for once at a time, and once more where they changed meanwhile', async () => {
    const { ask, answers } = asked();
    const sessions = new KernelSessions(ask);
    const changed = vi.fn();
    sessions.watchers.add(changed);
    const first = sessions.refresh();
    void sessions.refresh();
    void sessions.refresh();
    expect(answers).toHaveLength(1);
    answers[0]?.([named('a')]);
    await first;
    expect(answers).toHaveLength(2);
    answers[1]?.([named('a'), named('b')]);
    await vi.waitFor(() => {
      expect(sessions.all.map(({ name }) => name)).toEqual(['a', 'b']);
    });
    expect(changed).toHaveBeenCalledTimes(2);
  });

  it('are asked for when a cell is over, until the kernel has answered', async () => {
    const { ask, answers } = asked();
    const sessions = new KernelSessions(ask);
    sessions.cellOver();
    answers[0]?.(null);
    await Promise.resolve();
    await Promise.resolve();
    sessions.cellOver();
    answers[1]?.([]);
    await Promise.resolve();
    await Promise.resolve();
    sessions.cellOver();
    expect(answers).toHaveLength(2);
  });

  it('go with the kernel; an answer of the one before is not theirs', async () => {
    const { ask, answers } = asked();
    const sessions = new KernelSessions(ask);
    const first = sessions.refresh();
    sessions.lose();
    answers[0]?.([named('a')]);
    await first;
    expect(sessions.all).toEqual([]);
  });
});
