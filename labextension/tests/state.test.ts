// @vitest-environment node
import { describe, expect, it } from 'vitest';

import type { Part } from '../src/protocol';
import { fromData, reduce } from '../src/state';

const text = (words: string): Part => ({ type: 'text', text: words });
const begun = reduce(fromData({}), { type: 'snapshot', seq: 1, run: { run: 'r', live: true, parts: [text('a')] } });
const ops = (seq: number, ...list: unknown[]): unknown => ({ type: 'ops', seq, ops: list });
const question = { id: 'q', token: 't', tool: 'Bash', input: { command: 'ls' }, kind: 'permission' };

describe('fromData', () => {
  it('fills in what an old notebook does not have', () => {
    expect(fromData({ version: 1, session: 'main' })).toMatchObject({
      session: 'main',
      parts: [],
      outcome: null,
      ttft_s: null,
      cut: { characters: 0, parts: 0 },
      questions: []
    });
  });

  it.each([null, undefined, 3, 'x', [], { parts: 4 }, { parts: [null, 7, { type: 'new' }, { type: 'tool', input: [] }] }])(
    'reads %j without a fuss',
    data => {
      expect(fromData(data).parts.every(part => part.type === 'tool')).toBe(true);
    }
  );

  it('keeps wrong kinds out', () => {
    const run = fromData({ session: 3, usage: 'many', ttft_s: 'x', outcome: 4, context: { used: 1, max: 0 } });
    expect(run).toMatchObject({ session: '', ttft_s: null, outcome: null, context: null });
    expect(run.usage.input_tokens).toBe(0);
  });

  it('reads an unknown tool state as done', () => {
    expect(fromData({ parts: [{ type: 'tool', state: 'dreaming' }] }).parts[0]).toMatchObject({ state: 'done' });
  });
});

describe('a to-do list', () => {
  const todosOf = (more: object): unknown => {
    const [part] = fromData({ parts: [{ type: 'tool', name: 'TodoWrite', input: { todos: [{ content: 'a', status: 'pending' }] }, ...more }] }).parts;
    return part?.type === 'tool' ? part.todos : null;
  };

  it('is what the kernel says', () => {
    expect(todosOf({ state: 'done', todos: [{ text: 'b', status: 'completed' }] })).toEqual([{ text: 'b', status: 'completed' }]);
  });

  it('of an old notebook is the input of the tool', () => {
    expect(todosOf({ state: 'done' })).toEqual([{ text: 'a', status: 'pending' }]);
  });

  it('of a failed call is not drawn', () => {
    expect(todosOf({ state: 'failed' })).toEqual([]);
  });
});

describe('reduce', () => {
  it('appends to a text and leaves the other parts as they are', () => {
    const two = reduce(begun, ops(2, ['part', 1, text('b')]));
    const three = reduce(two, ops(3, ['append', 1, 'c']));
    expect(three.parts).toEqual([text('a'), text('bc')]);
    expect(three.parts[0]).toBe(two.parts[0]);
    expect(two.parts[1]).toEqual(text('b'));
  });

  it('sets fields, and only those that it knows', () => {
    const after = reduce(begun, ops(2, ['set', { model: 'opus', parts: [], __proto__: 1, nonsense: 2 }]));
    expect(after.model).toBe('opus');
    expect(after.parts).toHaveLength(1);
    expect(after).not.toHaveProperty('nonsense');
  });

  it('takes parts back', () => {
    expect(reduce(begun, ops(2, ['truncate', 0])).parts).toEqual([]);
  });

  it('keeps questions until they are settled', () => {
    const asked = reduce(begun, ops(2, ['ask', question], ['ask', question]));
    expect(asked.questions.map(one => one.id)).toEqual(['q']);
    expect(reduce(asked, ops(3, ['settled', 'q'])).questions).toEqual([]);
  });

  it('ignores a question without a token', () => {
    expect(reduce(begun, ops(2, ['ask', { ...question, token: '' }])).questions).toEqual([]);
  });

  it('applies a message once', () => {
    const two = reduce(begun, ops(2, ['append', 0, 'b']));
    expect(reduce(two, ops(2, ['append', 0, 'b']))).toBe(two);
  });

  it('notices a missing message, waits, and goes on after a snapshot', () => {
    const gap = reduce(begun, ops(3, ['append', 0, 'x']));
    expect(gap).toMatchObject({ gap: true, parts: [text('a')] });
    expect(reduce(gap, ops(4, ['append', 0, 'y']))).toBe(gap);
    const repaired = reduce(gap, { type: 'snapshot', seq: 7, run: { parts: [text('axy')] } });
    expect(reduce(repaired, ops(8, ['append', 0, 'z']))).toMatchObject({ gap: false, parts: [text('axyz')] });
  });

  it('asks for a snapshot rather than guess where an operation belongs', () => {
    expect(reduce(begun, ops(2, ['append', 5, 'x'])).gap).toBe(true);
    expect(reduce(begun, ops(2, ['part', 9, text('x')])).gap).toBe(true);
    expect(reduce(begun, ops(2, ['part', -1, text('x')])).gap).toBe(true);
  });

  it('ends with the final data, and asks nothing any more', () => {
    const asked = reduce(begun, ops(2, ['ask', question]));
    const over = reduce(asked, { type: 'final', seq: 3, run: { live: true, outcome: 'success' }, bundle: {} });
    expect(over).toMatchObject({ live: false, outcome: 'success', questions: [] });
  });

  it.each([null, 4, 'ops', {}, { type: 'ops' }, { type: 'ops', seq: 2, ops: 'x' }, { type: 'ops', seq: 2, ops: [null, [], ['?']] }, { type: 'new', seq: 2 }])(
    'survives %j',
    message => {
      expect(reduce(begun, message).parts).toEqual([text('a')]);
    }
  );
});
