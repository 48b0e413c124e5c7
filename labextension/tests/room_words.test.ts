// @vitest-environment node
import { describe, expect, it } from 'vitest';

import type { Session } from '../src/protocol';
import { dayWords, nameFor, standingWords, summaryWords, tookWords } from '../src/room/words';

const session = (fields: Partial<Session> = {}): Session => ({
  name: 'main',
  session_id: 'id',
  state: 'idle',
  question: '',
  doing: '',
  since: 0,
  prompt: '',
  cell: '',
  turns: 0,
  cost_usd: 0,
  tokens: 0,
  context: null,
  model: '',
  folder: '/home',
  simulated: false,
  last_used: 0,
  queue: [],
  background: 0,
  resume: '',
  ...fields
});

describe('how a session stands', () => {
  it.each<[Partial<Session>, string]>([
    [{}, 'idle'],
    [{ state: 'running', since: 40 }, 'works 1 min 0 s'],
    [{ state: 'starting', since: 97 }, 'starts 3 s'],
    [{ state: 'waiting', since: 97, question: 'Bash' }, 'waits for you: Bash'],
    [{ state: 'error' }, 'failed'],
    [{ background: 2 }, 'idle, 2 tasks in the background']
  ])('is said of %j', (fields, words) => {
    expect(standingWords(session(fields), 100)).toBe(words);
  });
});

describe('what a session took', () => {
  it('is said shortly', () => {
    const fields = { turns: 2, tokens: 12_100, context: { used: 20_000, max: 200_000 }, cost_usd: 0.41 };
    expect(tookWords(session({ ...fields, model: 'claude-opus-4-8-20260101' }))).toBe(
      '2 turns · 12.1k tokens · window 10 % full · $0.41 · opus-4-8'
    );
    expect(tookWords(session())).toBe('');
  });
});

describe('all sessions in a few words', () => {
  it.each<[Partial<Session>[], string]>([
    [[], ''],
    [[{}], ''],
    [[{ cost_usd: 0.2 }, { cost_usd: 0.21 }], '$0.41'],
    [[{ state: 'running', cost_usd: 0.41 }, { state: 'starting' }, { state: 'waiting' }, {}], '2 work, 1 waits, $0.41'],
    [[{ state: 'running', queue: [{ turn_id: 't', prompt: 'p', steers: false }] }], '1 works, 1 queued']
  ])('of %j', (all, words) => {
    expect(summaryWords(all.map(session))).toBe(words);
  });
});

describe('a name for a conversation', () => {
  it.each([
    ['Fix the Chart, please now', [], 'fix-the-chart'],
    ['Fix the chart', ['fix-the-chart', 'fix-the-chart-2'], 'fix-the-chart-3'],
    ['…', [], 'resumed']
  ])('of %j beside %j', (title, taken, name) => {
    expect(nameFor(title, taken)).toBe(name);
  });
});

describe('a day', () => {
  it('is left out where it is this one', () => {
    const now = new Date(2026, 10, 27, 18, 30);
    expect(dayWords(new Date(2026, 10, 27, 9, 5).getTime() / 1_000, now)).toMatch(/9:05/);
    expect(dayWords(new Date(2026, 9, 3).getTime() / 1_000, now)).toMatch(/2026/);
  });
});
