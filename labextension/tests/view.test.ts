import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Action, Part, Question, RunData, ToolPart } from '../src/protocol';
import { fromData, reduce } from '../src/state';
import type { RunState } from '../src/state';
import type { Answer, Host } from '../src/view/host';
import { RunView } from '../src/view/run';
import { renderMarkdown } from '../src/plain_markdown';

let asked: Action[];
let inserted: string[];
let views: RunView[];
let answer: Answer;

beforeEach(() => {
  vi.useFakeTimers();
  [asked, inserted, views, answer] = [[], [], [], 'done'];
});

afterEach(() => {
  views.forEach(view => {
    view.dispose();
  });
  document.body.replaceChildren();
  vi.useRealTimers();
});

function makeView(more: Partial<Host> = {}): RunView {
  const view = new RunView(
    {
      renderMarkdown,
      request: action => {
        asked.push(action);
        return Promise.resolve(answer);
      },
      insertCell: cell => inserted.push(cell.source) > 0,
      runAgain: null,
      propose: null,
      trusts: () => true,
      ...more
    },
    () => 110
  );
  views.push(view);
  document.body.append(view.node);
  return view;
}

async function draw(view: RunView, run: RunState): Promise<void> {
  view.show({ run, reachable: true });
  view.flush();
  await vi.advanceTimersByTimeAsync(400);
}

const live = (parts: Part[], more: Partial<RunData> = {}, questions: Question[] = []): RunState =>
  reduce(fromData({}), {
    type: 'snapshot',
    seq: 1,
    run: { run: 'r', live: true, session: 'main', started: 100, parts, ...more },
    questions
  });

const tool = (id: string, name: string, input: Record<string, unknown>, more: Partial<ToolPart> = {}): ToolPart => ({
  type: 'tool', id, name, input, keys: [], edited: false, todos: [], result: '', patch: [], pictures: [], is_error: false, state: 'done', parent: '', duration_s: 0.2, started: 100, ...more
});

const permission: Question = {
  id: 'q', token: 'secret', tool_use_id: 'b', tool: 'Bash', title: 'Run this command?',
  input: { command: 'rm x', timeout: 5 }, editable: 'command', kind: 'permission', plan: '', grants: ['rm *', 'exactly this command', 'all of Bash'], patch: []
};

const byText = (words: string): HTMLButtonElement => {
  const found = [...document.querySelectorAll('button')].find(element => element.textContent === words);
  if (found === undefined) {
    throw new Error(`no button says ${words}`);
  }
  return found;
};

describe('a run', () => {
  it('shows piece by piece what went into the prompt, and its text with a click', async () => {
    const view = makeView();
    const sent = [
      { label: '{city}', words: 'Bern', tokens: 1, text: 'Bern', pictures: [] },
      { label: '--attach sales', words: '--attach sales (table, 12 rows)', tokens: 1_200, text: 'Attached <b>table</b>', pictures: [] },
      { label: 'fig', words: 'picture', tokens: 1_500, text: '', pictures: [{ kind: 'image/png', data: 'iVBORw0KGgo=', words: 'PNG' }] }
    ];
    const filled = 'filled in: {city} = Bern · left as typed: {x} (no) · attached: sales\nAnswers are simulated.';
    await draw(view, live([], { filled, sent }));
    const chips = [...document.querySelectorAll<HTMLButtonElement>('.claude-piece')];
    expect(chips.map(({ textContent }) => textContent)).toEqual([
      '{city}Bern · ≈ 1 tokens', '--attach salestable, 12 rows · ≈ 1.2k tokens', 'figpicture · ≈ 1.5k tokens'
    ]);
    expect(chips.map(chip => chip.querySelectorAll('img').length)).toEqual([0, 0, 1]);
    const text = document.querySelector<HTMLElement>('.claude-piece-text');
    chips[1]?.click();
    expect([text?.hidden, text?.textContent, chips[1]?.ariaExpanded]).toEqual([false, 'Attached <b>table</b>', 'true']);
    chips[1]?.click();
    expect([text?.hidden, chips[1]?.ariaExpanded]).toEqual([true, 'false']);
    expect(document.querySelector('.claude-notes > p')?.textContent).toBe('left as typed: {x} (no)\nAnswers are simulated.');
  });

  it('shows the whole prompt, also of a run that an earlier version stored', async () => {
    const view = makeView();
    await draw(view, fromData({ filled: 'filled in: {city} = Bern\nAnswers are simulated.', prompt: 'Is <b>Bern</b> large?' }));
    const chip = document.querySelector<HTMLButtonElement>('.claude-piece');
    expect(chip?.textContent).toBe('Whole prompt≈ 6 tokens');
    chip?.click();
    expect(document.querySelector('.claude-piece-text')?.textContent).toBe('Is <b>Bern</b> large?');
    expect(document.querySelector('.claude-notes > p')?.textContent).toBe('Answers are simulated.');
  });

  it('says whose it is, what it may do, and how long it has run', async () => {
    await draw(makeView(), live([], { mode: 'plan', model: 'claude-opus-4-1-20250805', simulated: true }));
    const head = document.querySelector('.claude-head')?.textContent;
    expect(head).toContain('main');
    expect(head).toContain('opus 4.1');
    expect(head).toContain('plans, changes nothing');
    expect(head).toContain('10 s');
  });

  it('says that nobody was asked now, and how it was answered', async () => {
    const pill = async (more: Partial<RunData>): Promise<string> => {
      document.body.replaceChildren();
      await draw(makeView(), live([], more));
      const chip = document.querySelector<HTMLElement>('.claude-head .claude-chip');
      return chip?.hidden ? '' : (chip?.textContent ?? '');
    };
    expect(await pill({})).toBe('');
    expect(await pill({ simulated: true })).toBe('simulated');
    expect(await pill({ simulated: true, source: 'played from a tape, $0.00 now' })).toBe('played');
    expect(await pill({ source: 'kept, $0.00, from 2026-11-01' })).toBe('kept');
  });

  it('says the mode in force, unless it is the usual one', async () => {
    const view = makeView();
    await draw(view, live([], { mode: 'plan' }));
    const mode = document.querySelector<HTMLElement>('.claude-mode');
    expect([mode?.hidden, mode?.textContent]).toEqual([false, 'plans, changes nothing']);
    await draw(view, live([], { mode: 'default' }));
    expect(mode?.hidden).toBe(true);
  });

  it('is the same page when it is shown again', async () => {
    const view = makeView();
    const run = live([{ type: 'text', text: 'Hello *you*' }, tool('a', 'Read', { file_path: 'x' })]);
    await draw(view, run);
    const before = view.node.innerHTML;
    await draw(view, run);
    expect(view.node.innerHTML).toBe(before);
  });

  it('touches only what changed', async () => {
    const view = makeView();
    const first = live([{ type: 'text', text: 'One.\n\nTwo.\n\n' }, tool('a', 'Read', { file_path: 'x' })]);
    await draw(view, first);
    const nodes = [...view.node.querySelectorAll('.claude-parts p, .claude-tool')];
    await draw(view, reduce(first, { type: 'ops', seq: 2, ops: [['part', 2, { type: 'note', text: 'n' }]] }));
    expect([...view.node.querySelectorAll('.claude-parts p:not(.claude-note), .claude-tool')]).toEqual(nodes);
    expect(nodes.every(node => node.isConnected)).toBe(true);
  });

  it('ends with its facts, and no stop button', async () => {
    const run = fromData({
      outcome: 'interrupted', notice: 'Stopped by you.', duration_s: 6.2, ttft_s: 0.31, cost_usd: 0.011, estimated: true,
      usage: { input_tokens: 900, output_tokens: 61, cache_read_tokens: 8_900 }, context: { used: 60, max: 100 },
      waited_s: 4.2, cut: { characters: 1200, parts: 0 }
    });
    await draw(makeView(), run);
    const words = document.querySelector('.claude-foot')?.textContent;
    expect(words).toContain('2 s + 4.2 s waiting for you');
    expect(words).toContain('about $0.011');
    expect(words).toContain('60 %');
    expect(words).toContain('1,200 characters');
    expect(document.querySelector('.claude-end')?.textContent).toContain('Stopped by you.');
    expect(document.querySelector<HTMLElement>('.claude-stop')?.hidden).toBe(true);
  });

  it('is quiet about what few people want to know', async () => {
    const usage = { input_tokens: 900, output_tokens: 61, cache_read_tokens: 0, cache_write_tokens: 0 };
    await draw(makeView(), fromData({ outcome: 'success', usage, cost_usd: 0.5, session_cost_usd: 0.5, ttft_s: 1, duration_s: 2, context: { used: 49, max: 100 } }));
    expect(document.querySelector('.claude-spent')?.textContent).toBe('2 s$0.50');
  });

  it('spends nothing when simulated', async () => {
    await draw(makeView(), fromData({ outcome: 'success', cost_usd: 0.5, session_cost_usd: 2, duration_s: 2, simulated: true }));
    expect(document.querySelector('.claude-spent')?.textContent).toBe('2 s');
  });

  it('tells in words what the line has no room for', async () => {
    const usage = { input_tokens: 900, output_tokens: 61, cache_read_tokens: 8_900, cache_write_tokens: 0 };
    await draw(makeView(), fromData({ outcome: 'success', usage, cost_usd: 0.5, session_cost_usd: 2, simulated: true, duration_s: 1 }));
    const line = document.querySelector<HTMLDetailsElement>('.claude-took');
    line?.setAttribute('open', '');
    line?.dispatchEvent(new Event('toggle'));
    const words = line?.querySelector('dl')?.textContent;
    expect(words).toContain('Read9,800 tokens, 8.9k from the cache');
    expect(words).toContain('The session$2.00');
    expect(words).toContain('This turn$0.50, had a model been called');
    expect(document.querySelector('summary')?.textContent).not.toContain('simulated');
  });

  it('says so when nobody knows how it ended', () => {
    const view = makeView({ request: null });
    view.show({ run: live([]), reachable: false });
    view.flush();
    expect(view.node.dataset['standing']).toBe('lost');
    expect(view.node.textContent).toContain('was not saved');
  });

  it('asks to stop once', async () => {
    await draw(makeView(), live([]));
    byText('Stop').click();
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual([{ action: 'stop' }]);
    expect(byText('Stopping…').disabled).toBe(true);
  });

  it('tells screen readers its state, not its words', async () => {
    const view = makeView();
    const run = live([{ type: 'text', text: 'words' }], {}, [permission]);
    await draw(view, run);
    const status = view.node.querySelector('.claude-spoken');
    expect(status?.textContent).toBe('Claude needs an answer: Run this command?');
    await draw(view, reduce(run, { type: 'final', seq: 2, run: { outcome: 'success', duration_s: 3 } }));
    expect(status?.textContent).toBe('Finished after 3 s');
  });
});

describe('text', () => {
  it('is shown whole however it arrives', async () => {
    const view = makeView();
    const text = '# Title\n\nSome *words* and `code`.\n\n- a\n- b\n\n```py\nx = 1\n```\n\nThe end, without a line end';
    let run = live([{ type: 'text', text: '' }]);
    let seq = 1;
    for (const piece of text.match(/[\s\S]{1,7}/g) ?? []) {
      run = reduce(run, { type: 'ops', seq: ++seq, ops: [['append', 0, piece]] });
      view.show({ run, reachable: true });
      view.flush();
      await vi.advanceTimersByTimeAsync(50);
    }
    await draw(view, reduce(run, { type: 'final', seq: ++seq, run: { outcome: 'success', parts: [{ type: 'text', text }] } }));
    const whole = makeView();
    await draw(whole, fromData({ outcome: 'success', parts: [{ type: 'text', text }] }));
    const words = (of: RunView): string | undefined => of.node.querySelector('.claude-text')?.textContent.replace(/\s+/g, '');
    expect(words(view)).toBe(words(whole));
    expect(view.node.querySelectorAll('h1, em, li, .claude-code').length).toBe(5);
  });

  it('offers code for the clipboard and for a new cell', async () => {
    await draw(makeView(), live([{ type: 'text', text: '```python\nx = 1\ny = 2\n```\n' }]));
    byText('Insert below').click();
    expect(inserted).toEqual(['x = 1\ny = 2']);
    expect(byText('Inserted').isConnected).toBe(true);
  });
});

describe('tools', () => {
  it('show names and files as text, with nothing hidden', async () => {
    await draw(makeView(), live([tool('a', '<b>Read', { file_path: '<img src=x onerror=hit()>\u202e' })]));
    expect(document.querySelector('.claude-parts img, .claude-parts b')).toBeNull();
    expect(document.querySelector('.claude-tool')?.textContent).toContain('⟨U+202E⟩');
  });

  it('show an edit as a difference, numbered where the result says where', async () => {
    const edit = tool('a', 'Edit', { file_path: 'x', old_string: 'a\nb', new_string: 'a\nc' }, { result: '    21→a\n' });
    await draw(makeView(), live([edit]));
    const rows = [...document.querySelectorAll('.claude-diff-row')].map(row => row.textContent.trim());
    expect(rows).toEqual(['21 a', '22-b', '22+c']);
  });

  it('show the command that a person edited, and say so', async () => {
    const view = makeView();
    const asked = tool('a', 'Bash', { command: 'rm *' }, { state: 'running' });
    const run = live([asked]);
    await draw(view, run);
    const card = document.querySelector('.claude-tool');
    card?.setAttribute('open', '');
    card?.dispatchEvent(new Event('toggle'));
    expect(card?.textContent).not.toContain('edited by you');
    const ran = { ...asked, input: { command: 'ls' }, edited: true };
    await draw(view, reduce(run, { type: 'ops', seq: 2, ops: [['part', 0, ran]] }));
    expect(card?.querySelector('pre')?.textContent.trim()).toBe('ls');
    expect(card?.textContent).toContain('edited by you');
    expect(card?.textContent).not.toContain('rm *');
  });

  it('draw a long result only when opened, and then its beginning', async () => {
    await draw(makeView(), live([tool('a', 'Bash', { command: 'seq 500' }, { result: 'line\n'.repeat(500) })]));
    const card = document.querySelector('.claude-tool');
    expect(card?.querySelector('pre')).toBeNull();
    card?.setAttribute('open', '');
    card?.dispatchEvent(new Event('toggle'));
    expect(card?.querySelectorAll('pre')[1]?.textContent.split('\n')).toHaveLength(21);
    byText('Show all 500 lines').click();
    expect(card?.querySelectorAll('pre')[1]?.textContent.split('\n')).toHaveLength(501);
  });

  it('of a subagent stand inside the tool that started it', async () => {
    await draw(makeView(), live([tool('a', 'Agent', { description: 'look' }), tool('b', 'Read', {}, { parent: 'a' })]));
    expect(document.querySelectorAll('.claude-parts > .claude-tool')).toHaveLength(1);
    expect(document.querySelector('.claude-state')?.textContent).toContain('1 tool');
  });

  it('fold when there are many', async () => {
    const many = Array.from({ length: 500 }, (_, at) => tool(`t${at}`, 'Read', { file_path: 'x' }));
    await draw(makeView(), live(many));
    expect(document.querySelector('.claude-group')?.textContent).toContain('497 tool uses · 497 Read');
    expect(document.querySelectorAll('.claude-tool')).toHaveLength(3);
  });

  it('show what is to be done as a list, the newest only', async () => {
    const list = (id: string, status: string): ToolPart => tool(id, 'TaskUpdate', { taskId: '1', status }, { todos: [{ text: 'Test it', status }] });
    await draw(makeView(), live([list('a', 'pending'), list('b', 'completed')]));
    expect(document.querySelectorAll('.claude-todo li')).toHaveLength(1);
    expect(document.querySelector('.claude-todo [role="img"]')?.getAttribute('aria-label')).toBe('done');
  });
});

describe('a card', () => {
  const open = (card: Element | null | undefined): void => {
    card?.querySelector('summary')?.click();
    card?.dispatchEvent(new Event('toggle'));
  };

  it('says its command once, whole when opened', async () => {
    await draw(makeView(), live([tool('a', 'Bash', { command: 'ls -la', description: 'Look around' }, { result: 'x' })]));
    const card = document.querySelector('.claude-tool');
    expect(card?.textContent).toContain('ls -la');
    expect(card?.textContent).not.toContain('Look around');
    open(card);
    expect(card?.textContent.match(/ls -la/g)).toHaveLength(1);
    expect(card?.querySelector('summary')?.textContent).toContain('Look around');
    open(card);
    expect(card?.querySelector('.claude-what')?.textContent).toBe('ls -la');
  });

  it('does not repeat what its line says', async () => {
    await draw(makeView(), live([tool('a', 'Grep', { pattern: 'price', path: 'src' }, { result: 'x' })]));
    open(document.querySelector('.claude-tool'));
    expect(document.querySelector('.claude-tool .claude-fields')?.textContent).toBe('pathsrc');
  });

  it('stays open when it is folded away with others', async () => {
    const view = makeView();
    const many = (number: number): Part[] =>
      Array.from({ length: number }, (_, at) => tool(`t${at}`, 'Read', { file_path: `file ${at}` }, { result: `said ${at}` }));
    await draw(view, live(many(5)));
    open(document.querySelectorAll('.claude-tool')[2]);
    await draw(view, live(many(14)));
    expect(document.querySelector<HTMLDetailsElement>('.claude-group')?.open).toBe(true);
    const opened = [...document.querySelectorAll<HTMLDetailsElement>('.claude-tool')].filter(card => card.open);
    expect(opened.map(card => card.textContent)).toEqual([expect.stringContaining('said 2')]);
  });

  it("shows a tool's failure without the tag that is meant for the model", async () => {
    const failed = tool('a', 'Read', { file_path: 'x' }, { state: 'failed', is_error: true, result: '<tool_use_error>No file.</tool_use_error>' });
    await draw(makeView(), live([failed]));
    open(document.querySelector('.claude-tool'));
    expect(document.querySelector('.claude-failed')?.textContent).toBe('No file.\n');
  });
});

describe('a permission question', () => {
  const waiting = live([tool('b', 'Bash', { command: 'rm x' }, { state: 'waiting' })], {}, [permission]);

  it('stands for the card of its tool, and takes no focus', async () => {
    await draw(makeView(), waiting);
    expect(document.querySelector<HTMLElement>('.claude-tool')?.hidden).toBe(true);
    expect(document.querySelector('textarea')?.value).toBe('rm x');
    expect(document.activeElement).toBe(document.body);
  });

  it('is answered once, with its token', async () => {
    await draw(makeView(), waiting);
    byText('Allow').click();
    byText('Deny').click();
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual([{ action: 'answer', decision: 'allow', question: 'q', token: 'secret' }]);
  });

  it('sends the whole input when the command was edited', async () => {
    await draw(makeView(), waiting);
    const editor = document.querySelector('textarea');
    if (editor !== null) {
      editor.value = 'ls';
    }
    byText('Allow for this session: exactly this command').click();
    expect(asked[0]).toMatchObject({ decision: 'session', grant: 1, input: { command: 'ls', timeout: 5 } });
  });

  it('names what it grants for the session, the whole tool in a menu', async () => {
    await draw(makeView(), waiting);
    const named = [...document.querySelectorAll('.claude-grant')].map(element => element.textContent);
    expect(named).toEqual(['rm *', 'exactly this command', 'all of Bash'].map(words => `Allow for this session: ${words}`));
    expect(document.querySelector('.claude-menu')?.textContent).not.toContain('rm *');
    byText('Allow for this session: rm *').click();
    expect(asked[0]).toMatchObject({ decision: 'session', grant: 0 });
  });

  it('can be denied with a reason, and to stop', async () => {
    await draw(makeView(), waiting);
    const reason = document.querySelector<HTMLInputElement>('.claude-reason');
    if (reason !== null) {
      reason.value = ' too much ';
    }
    byText('Deny and stop').click();
    expect(asked[0]).toMatchObject({ decision: 'deny', reason: 'too much', stop: true });
  });

  const press = (key: string, where: Element | null): void => {
    where?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  };

  it('is denied by Enter in the words for it, and by Escape', async () => {
    await draw(makeView(), waiting);
    const reason = document.querySelector<HTMLInputElement>('.claude-reason');
    press('Enter', document.querySelector('textarea'));
    expect(asked).toEqual([]);
    if (reason !== null) {
      reason.value = 'use git rm';
    }
    press('Enter', reason);
    expect(asked).toEqual([{ action: 'answer', decision: 'deny', reason: 'use git rm', question: 'q', token: 'secret' }]);
    await draw(makeView(), waiting);
    const card = document.querySelectorAll('.claude-ask')[1];
    for (const field of ['textarea', '.claude-reason']) {
      card?.querySelector<HTMLElement>(field)?.focus();
      press('Escape', document.activeElement);
      expect([asked.length, document.activeElement]).toEqual([1, card]); // it leaves the field, and denies nothing
    }
    press('Escape', document.activeElement);
    expect(asked[1]).toEqual({ action: 'answer', decision: 'deny', question: 'q', token: 'secret' });
  });

  it('closes its menu by Escape, and denies nothing', async () => {
    await draw(makeView(), waiting);
    const menu = document.querySelector<HTMLDetailsElement>('.claude-menu');
    if (menu !== null) {
      menu.open = true;
    }
    press('Escape', menu?.querySelector('summary') ?? null);
    expect([menu?.open, asked]).toEqual([false, []]);
  });

  it('takes no key in the moment in which it appears', () => {
    const view = makeView();
    view.show({ run: waiting, reachable: true });
    view.flush();
    press('Escape', document.querySelector('.claude-ask'));
    expect(asked).toEqual([]);
  });

  it('does not take a click of a script', async () => {
    await draw(makeView({ trusts: event => event.isTrusted }), waiting);
    byText('Allow').click();
    expect(asked).toEqual([]);
  });

  it('does not take a click in the moment in which it appears', () => {
    const view = makeView();
    view.show({ run: waiting, reachable: true });
    view.flush();
    byText('Allow').click();
    expect(asked).toEqual([]);
  });

  it('says when it was answered elsewhere', async () => {
    answer = 'unknown';
    await draw(makeView(), waiting);
    byText('Allow').click();
    await vi.advanceTimersByTimeAsync(1);
    expect(document.querySelector('.claude-ask')?.textContent).toContain('answered elsewhere');
  });

  it('may be tried again when the kernel was out of reach', async () => {
    answer = 'unreachable';
    await draw(makeView(), waiting);
    byText('Allow').click();
    await vi.advanceTimersByTimeAsync(1);
    expect(byText('Allow').disabled).toBe(false);
  });

  it('shows hidden characters of a command', async () => {
    const hidden = { ...permission, input: { command: 'ls\u202e' } };
    await draw(makeView(), live([], {}, [hidden]));
    expect(document.querySelector('.claude-ask pre')?.textContent).toBe('ls⟨U+202E⟩');
  });

  it('goes when it is settled', async () => {
    const view = makeView();
    await draw(view, waiting);
    await draw(view, reduce(waiting, { type: 'ops', seq: 2, ops: [['settled', 'q']] }));
    expect(document.querySelector('.claude-ask')).toBeNull();
    expect(document.querySelector<HTMLElement>('.claude-tool')?.hidden).toBe(false);
  });
});

describe('a plan', () => {
  const plan = '# The plan\n\n1. look\n2. change';
  const question: Question = { ...permission, tool: 'ExitPlanMode', input: {}, editable: '', kind: 'plan', plan, grants: [] };

  it('is shown whole as Markdown, and approved or not', async () => {
    await draw(makeView(), live([], {}, [question]));
    expect(document.querySelector('.claude-ask .claude-plan')?.textContent).toBe('The planlookchange');
    const words = [...document.querySelectorAll('.claude-ask button')].map(element => element.textContent);
    expect(words).toEqual(['Go ahead', 'Go ahead, edits without asking', 'Keep planning']);
    byText('Go ahead, edits without asking').click();
    expect(asked).toEqual([{ action: 'answer', decision: 'edits', question: 'q', token: 'secret' }]);
  });

  it('that is missing is said to be missing', async () => {
    await draw(makeView(), live([], {}, [{ ...question, plan: ' ' }]));
    expect(document.querySelector('.claude-ask')?.textContent).toContain('no plan');
  });

  it('stays as Markdown in the card of its tool use', async () => {
    await draw(makeView(), live([tool('p', 'ExitPlanMode', { plan }, { result: 'User has approved your plan' })]));
    const card = document.querySelector<HTMLDetailsElement>('.claude-tool');
    expect([card?.open, card?.querySelector('.claude-kind')?.textContent]).toEqual([true, 'Plan']);
    expect(card?.querySelector('.claude-plan')?.textContent).toBe('The planlookchange');
    expect(card?.textContent).not.toContain('approved your plan');
  });
});

describe('what is granted', () => {
  it('is counted in the header, listed and taken back', async () => {
    const view = makeView();
    await draw(view, live([], { granted: ['Bash: wc *', 'all of Read'] }));
    const chip = document.querySelector<HTMLElement>('.claude-granted');
    expect([chip?.hidden, chip?.querySelector('summary')?.textContent]).toEqual([false, '2 allowed']);
    [...document.querySelectorAll<HTMLButtonElement>('.claude-granted button')].forEach(element => {
      element.click();
    });
    expect(asked).toEqual(['Bash: wc *', 'all of Read', ''].map(grant => ({ action: 'revoke', grant })));
    await draw(view, live([]));
    expect(chip?.hidden).toBe(true);
  });
});

describe("the model's own questions", () => {
  const input = {
    questions: [
      { question: 'Which?', header: 'Format', options: [{ label: 'CSV' }, { label: 'Parquet' }] },
      { question: 'What?', multiSelect: true, options: [{ label: 'A' }, { label: '<b>B' }] }
    ]
  };
  const form: Question = { ...permission, tool: 'AskUserQuestion', kind: 'questions', editable: '', input };

  it('are answered by label or in own words', async () => {
    await draw(makeView(), live([], {}, [form]));
    byText('Send answers').click();
    expect(document.querySelector('.claude-ask')?.textContent).toContain('Please answer every question');
    const boxes = [...document.querySelectorAll<HTMLInputElement>('fieldset input')];
    boxes.filter(box => box.type === 'radio')[1]?.click();
    const checks = boxes.filter(box => box.type === 'checkbox');
    checks.forEach(box => {
      box.click();
    });
    const own = boxes.filter(box => box.type === 'text')[1];
    expect(own?.hidden).toBe(false);
    if (own !== undefined) {
      own.value = 'C';
    }
    byText('Send answers').click();
    expect(asked).toEqual([
      {
        action: 'answer', decision: 'allow', question: 'q', token: 'secret',
        input: { ...input, answers: { 'Which?': 'Parquet', 'What?': 'A, <b>B, C' } }
      }
    ]);
    expect(document.querySelector('fieldset b')).toBeNull();
  });

  it('are shown with their answers when they were answered', async () => {
    const answers = { 'Which?': 'Parquet', 'What?': '<b>B, own words' };
    await draw(makeView(), live([tool('b', 'AskUserQuestion', { ...input, answers }, { result: 'Your questions have been answered' })]));
    const card = document.querySelector('.claude-tool');
    expect([...(card?.querySelectorAll('dt, dd') ?? [])].map(node => node.textContent)).toEqual([
      'Which?', 'Parquet', 'What?', '<b>B, own words'
    ]);
    expect(card?.querySelector('summary')?.textContent).toBe('Question✓answered');
    expect(card?.textContent).not.toContain('{');
    expect(card?.querySelector('pre, b')).toBeNull();
  });

  it('say so when nobody answered', async () => {
    await draw(makeView(), live([tool('b', 'AskUserQuestion', input, { state: 'denied', is_error: true, result: 'Skipped.' })]));
    expect(document.querySelector('.claude-state')?.textContent).toContain('not answered');
  });
});

describe('undo', () => {
  it('looks first, asks, and then restores', async () => {
    const view = makeView();
    const over = fromData({ run: 'r', outcome: 'success', edits: 1, duration_s: 1 });
    await draw(view, over);
    byText('Undo edits').click();
    await vi.advanceTimersByTimeAsync(1);
    const undo = { files: ['a.py', 'b.py'], deleted: ['b.py'], insertions: 1, deletions: 2, done: false, error: '' };
    await draw(view, { ...over, undo });
    expect(document.querySelector('.claude-undo')?.textContent).toContain('Restore a.py, delete b.py (created by this turn) (+1 −2 lines)?');
    expect(byText('Undo edits').hidden).toBe(true);
    byText('Keep').click();
    expect(byText('Undo edits').hidden).toBe(false);
    await draw(view, { ...over, undo: { ...undo } });
    byText('Restore').click();
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual([{ action: 'undo', dry_run: true }, { action: 'undo', dry_run: false }]);
    await draw(view, { ...over, undo: { ...undo, done: true } });
    expect(document.querySelector('.claude-undo')?.textContent).toContain('Restored a.py, deleted b.py (created by this turn).');
  });
});

describe('a run that failed', () => {
  const nothing = (): void => undefined;
  const failed = { live: false, outcome: 'error', error: 'The service is overloaded (HTTP 529).', notice: 'Wait a little.' };

  it('says so once, with what to do, and tries again at a click', async () => {
    let runs = 0;
    const runAgain = (): void => {
      runs++;
    };
    const view = makeView({ runAgain });
    await draw(view, live([], failed));

    const end = view.node.querySelector('.claude-end');
    expect(end?.textContent).toBe('✗The service is overloaded (HTTP 529).Wait a little.Try again');
    expect(runs).toBe(0);
    byText('Try again').click();
    expect(runs).toBe(1);
  });

  it.each([
    ['no kernel has it', { runAgain: nothing, request: null }, failed],
    ['its cell does more', { runAgain: null }, failed],
    ['it went well', { runAgain: nothing }, { live: false, outcome: 'success' }]
  ])('offers nothing where %s', async (_, host, more) => {
    await draw(makeView(host), live([], more));

    const again = [...document.querySelectorAll<HTMLElement>('button')].filter(button => button.textContent === 'Try again');
    expect(again.every(button => button.hidden || button.parentElement?.hidden)).toBe(true);
  });
});

describe('what a tool gave back', () => {
  it('shows a picture, and says what it is where it cannot', async () => {
    const pictures = [
      { kind: 'image/png', data: 'iVBORw0KGgo=', words: 'PNG picture, 8 × 8 pixels' },
      { kind: 'image/svg+xml', data: 'PHN2Zz4=', words: 'a drawing' },
      { kind: 'image/png', data: 'http://x/y.png', words: 'an address' }
    ];
    await draw(makeView(), live([tool('r', 'Read', { file_path: 'x.png' }, { pictures, result: '[image]' })]));

    const images = [...document.querySelectorAll('img')];
    expect(images.map(image => image.getAttribute('src'))).toEqual(['data:image/png;base64,iVBORw0KGgo=']);
    expect(document.querySelector('.claude-body')?.textContent).toBe('a drawingan address');
  });

  it('shows what the CLI says of an edit, with the numbers of the file', async () => {
    const patch = [{ old: 40, new: 41, lines: [' same', '-old', '+new', '+more'] }];
    const input = { file_path: 'a.py', old_string: 'old', new_string: 'new' };
    await draw(makeView(), live([tool('e', 'Edit', input, { patch })]));

    const rows = [...document.querySelectorAll('.claude-diff-row')].map(row => row.textContent.trim());
    expect(rows).toEqual(['41 same', '41-old', '42+new', '43+more']);
  });
});

describe('an answer as data', () => {
  const orders = [{ customer: 'Ann', quantity: 2, price_eur: 3.5 }, { customer: 'Ben', quantity: 1, price_eur: 9 }];
  const part = tool('s', 'StructuredOutput', { orders });

  it('is a table, with its columns in the order they came', async () => {
    // As a notebook file holds it: keys sorted.
    const sorted = orders.map(({ customer, quantity, price_eur }) => ({ customer, price_eur, quantity }));
    await draw(makeView(), live([{ ...part, input: { orders: sorted }, keys: ['orders', 'customer', 'quantity', 'price_eur'] }]));

    expect([...document.querySelectorAll('th')].map(cell => cell.textContent)).toEqual(['customer', 'quantity', 'price_eur']);
    expect([...document.querySelectorAll('td')].map(cell => cell.textContent)).toEqual(['Ann', '2', '3.5', 'Ben', '1', '9']);
    expect(document.querySelector('.claude-tool > summary')?.textContent).toContain('orders: 2 records');
  });

  it('is names and values where it is no list of records', async () => {
    await draw(makeView(), live([{ ...part, input: { month: 'March', tags: ['a', 'b'] } }]));

    expect([...document.querySelectorAll('dd')].map(cell => cell.textContent)).toEqual(['March', 'a, b']);
  });
});
