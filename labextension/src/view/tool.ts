/** One tool use: a card with one line, and what went in and came out when it is opened. */

import type { Todo, ToolPart } from '../protocol';
import { oneLine, plural, visible, visibleOutput } from '../text';
import {
  askedQuestions,
  codeInput,
  hunksOf,
  isAgent,
  isData,
  isOver,
  planOf,
  recordsOf,
  resultText,
  stateWords,
  tellingArgument,
  summarizedFields,
  toolTitle,
  valueWords
} from '../tools';
import type { AskedQuestion } from '../tools';
import { highlight } from '../highlight';
import { countNested } from './items';
import type { Item, ToolNode } from './items';
import { el, KeyedChildren, setText, show } from './dom';
import type { Keyed, Piece } from './dom';
import { MarkdownText } from './markdown';
import { difference, pictureOf, plainText } from './output';
import type { ViewContext } from './view_context';
import { frameTables } from './table';

/** What stands in a result for a picture that is drawn: ours, and the line that the CLI (2.1.332) adds for the model. */
const PICTURE_WORDS = /\[image\]|\[Image: source: [^\n]*\]/g;
const OPEN_DIFF_LINES = 60;
const SIGNS = { waiting: '?', running: '', done: '✓', failed: '✗', denied: '⊘', cancelled: '■' } as const;

export class ToolCard implements Piece<ToolNode> {
  readonly node = el('details', 'claude-tool');

  constructor(private readonly _context: ViewContext) {
    this._state.append(this._sign, this._words);
    this._sign.setAttribute('aria-hidden', 'true');
    const summary = el('summary', '', this._name, this._what, el('span', 'claude-grow'), this._state);
    // A click comes before what it does, and so does a key; the view itself opens and closes without one.
    summary.addEventListener('click', () => {
      const id = this._shown?.tool.id ?? '';
      if (id !== '') {
        this._context.opened.set(id, !this.node.open);
      }
    });
    this.node.append(summary, this._body);
    this.node.addEventListener('toggle', () => {
      this._updateSummary();
      this._showBody();
    });
    this._context.clock.add(this._tick);
  }

  update(shown: ToolNode): void {
    const before = this._shown;
    show(this.node, !this._context.isAsked(shown.tool.id));
    if (before?.tool === shown.tool && sameChildren(before, shown) && before.isNewestTodo === shown.isNewestTodo) {
      return;
    }
    this._shown = shown;
    const { tool } = shown;
    this.node.dataset['state'] = tool.state;
    this.node.classList.toggle('claude-agent', isAgent(tool));
    this.node.classList.toggle('claude-asks', tool.name === 'AskUserQuestion');
    this.node.classList.toggle('claude-todos', shown.isNewestTodo);
    setText(this._name, toolTitle(tool.name));
    setText(this._sign, SIGNS[tool.state]);
    this._updateState();
    this._open(before, shown);
    this._updateSummary();
    this._showBody();
  }

  dispose(): void {
    this._context.clock.delete(this._tick);
    this._children?.dispose();
    this._plan?.dispose();
  }

  private _open(before: ToolNode | null, shown: ToolNode): void {
    const chosen = this._context.opened.get(shown.tool.id);
    if (chosen !== undefined) {
      this.node.open = chosen;
    } else if (before === null || isAnswered(shown.tool) !== isAnswered(before.tool) || shown.tool.pictures.length !== before.tool.pictures.length) {
      this.node.open = this._opensItself(shown);
    } else if (before.isNewestTodo && !shown.isNewestTodo) {
      this.node.open = false;
    }
  }

  private _opensItself({ tool, isNewestTodo }: ToolNode): boolean {
    const lines = hunksOf(tool).reduce((sum, hunk) => sum + hunk.lines.length, 0);
    return isNewestTodo || isAnswered(tool) || planOf(tool) !== '' || isData(tool) || tool.pictures.length > 0 || (lines > 0 && lines <= OPEN_DIFF_LINES && tool.state !== 'denied');
  }

  private readonly _tick = (): void => {
    const state = this._shown?.tool.state;
    if (state !== undefined && !isOver(state)) {
      this._updateState();
    }
  };

  /** One line about the tool use; a command, which the open card shows whole, gives way to what it is for. */
  private _updateSummary(): void {
    if (this._shown !== null) {
      const { tool } = this._shown;
      const isShown = this.node.open && (isCommand(tool) || isAnswered(tool) || planOf(tool) !== '');
      const description = isCommand(tool) ? tool.input['description'] : '';
      const words = isShown ? (typeof description === 'string' ? oneLine(description) : '') : tellingArgument(tool);
      setText(this._what, words);
      this._what.classList.toggle('claude-prose', isShown);
    }
  }

  private _updateState(): void {
    if (this._shown !== null) {
      const words = stateWords(this._shown.tool, countNested(this._shown), this._context.now());
      setText(this._words, this._shown.tool.edited ? `${words}, edited by you` : words);
      show(this._state, this._shown.tool.todos.length === 0 || this._shown.tool.state !== 'done');
    }
  }

  private _showBody(): void {
    if (!this.node.open || this._shown === null) {
      return;
    }
    const { tool, children } = this._shown;
    if (this._drawn !== tool) {
      const before = this._drawn;
      this._drawn = tool;
      // An input always comes anew, but what was drawn of it stays true while a tool only changes its state.
      if (before?.result !== tool.result || before.is_error !== tool.is_error || before.edited !== tool.edited || isOver(before.state) !== isOver(tool.state)) {
        this._body.replaceChildren(...this._inside(tool), this._nested);
      }
    }
    if (children.length > 0) {
      this._children ??= new KeyedChildren<ToolNode>(this._nested, () => new ToolCard(this._context));
      this._children.update(children.map((shown, at) => ({ key: shown.tool.id || String(at), shown })));
    }
    show(this._nested, children.length > 0);
  }

  private _inside(tool: ToolPart): HTMLElement[] {
    const plan = planOf(tool);
    if (plan === '') {
      return inside(tool);
    }
    this._plan?.dispose();
    this._plan = new MarkdownText(this._context.host, () => false);
    this._plan.node.classList.add('claude-plan');
    this._plan.update(plan);
    // What the model is told of an approved plan is the plan once more.
    return [this._plan.node, ...(tool.state === 'done' ? [] : resultBlocks(tool))];
  }

  private _plan: MarkdownText | null = null;
  private _shown: ToolNode | null = null;
  private _drawn: ToolPart | null = null;
  private _children: KeyedChildren<ToolNode> | null = null;
  private readonly _name = el('span', 'claude-kind');
  private readonly _what = el('span', 'claude-what');
  private readonly _sign = el('span', 'claude-sign');
  private readonly _words = el('span', 'claude-words');
  private readonly _state = el('span', 'claude-state');
  private readonly _body = el('div', 'claude-body');
  private readonly _nested = el('div', 'claude-nested');
}

function sameChildren(before: ToolNode, now: ToolNode): boolean {
  return (
    before.children.length === now.children.length &&
    before.children.every((child, at) => {
      const other = now.children[at];
      return child.tool === other?.tool && sameChildren(child, other);
    })
  );
}

function isCommand(tool: Pick<ToolPart, 'name' | 'input'>): boolean {
  return tool.name === 'Bash' && typeof tool.input['command'] === 'string';
}

/** Whether the tool use is a form that was filled in. */
function isAnswered(tool: ToolPart): boolean {
  return tool.state === 'done' && askedQuestions(tool).some(asked => asked.answer !== '');
}

/** What went in and what came out. */
function inside(tool: ToolPart): HTMLElement[] {
  if (tool.todos.length > 0) {
    return [todoList(tool.todos)];
  }
  if (isAnswered(tool)) {
    return [answerList(askedQuestions(tool))];
  }
  if (isData(tool)) {
    return [...dataBlocks(tool.input), ...(tool.state === 'done' ? [] : resultBlocks(tool))];
  }
  const isBoring = hunksOf(tool).length > 0 && tool.state === 'done';
  return [...toolInput(tool, summarizedFields(tool)), ...(isBoring ? [] : resultBlocks(tool))];
}

function resultBlocks(tool: ToolPart): HTMLElement[] {
  const pictures = tool.pictures.map(pictureOf);
  return pictures.length > 0 ? [...pictures, ...textBlocks(tool, true)] : textBlocks(tool, false);
}

function textBlocks(tool: ToolPart, hasPictures: boolean): HTMLElement[] {
  const text = resultText(tool);
  const result = visibleOutput(hasPictures ? text.replaceAll(PICTURE_WORDS, '').trim() : text);
  if (result.trim() !== '') {
    const block = plainText(result, `Result of ${toolTitle(tool.name)}`);
    block.classList.toggle('claude-failed', tool.is_error);
    return [block];
  }
  return tool.state === 'done' && !hasPictures ? [el('p', 'claude-hint', 'No output.')] : [];
}

/**
 * What a tool is given, as a person wants to see it: questions, a command, a difference, or name and value.
 *
 * @param tool - the tool use.
 * @param without - fields that are shown already.
 */
export function toolInput(
  tool: Pick<ToolPart, 'name' | 'input' | 'result' | 'patch'>,
  without: readonly string[] = []
): HTMLElement[] {
  const hunks = hunksOf(tool);
  if (hunks.length > 0) {
    const honest = hunks.map(hunk => ({
      ...hunk,
      lines: hunk.lines.map(line => ({ ...line, text: visible(line.text) }))
    }));
    return [difference(honest, tool.result)];
  }
  const questions = askedQuestions(tool);
  if (questions.length > 0) {
    return [answerList(questions)];
  }
  const { command } = tool.input;
  if (tool.name === 'Bash' && typeof command === 'string') {
    const block = plainText(visible(command), 'Command');
    block.classList.add('claude-command');
    const fields = fieldList(tool.input, ['command', 'description']);
    return without.includes('command') ? fields : [block, ...fields];
  }
  const code = codeInput(tool);
  if (code !== null) {
    const fields = fieldList(tool.input, [code.field, 'purpose', ...without]);
    return without.includes(code.field) ? fields : [codeBlock(code.code, code.language), ...fields];
  }
  return fieldList(tool.input, without);
}

function codeBlock(code: string, language: string): HTMLElement {
  const block = plainText(visible(code), language === 'markdown' ? 'Markdown' : 'Code');
  block.classList.add('claude-code-input');
  block.querySelectorAll('div').forEach(slice => {
    highlight(slice, language);
  });
  return block;
}

const MOST_ROWS = 20;
const MOST_COLUMNS = 12;

/** An answer as data: a table of its records, or names and values. */
function dataBlocks(input: Record<string, unknown>): HTMLElement[] {
  const found = recordsOf(input);
  if (found === null) {
    const list = el('dl', 'claude-fields');
    for (const [name, value] of Object.entries(input)) {
      list.append(el('dt', '', visible(name)), el('dd', '', fieldValue(name, valueWords(value))));
    }
    return [list];
  }
  const rows = found.rows.slice(0, MOST_ROWS);
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))].slice(0, MOST_COLUMNS);
  const head = el('thead', '', el('tr', '', ...columns.map(name => el('th', '', oneLine(name, 60)))));
  const body = rows.map(row => el('tr', '', ...columns.map(name => el('td', '', oneLine(valueWords(row[name] ?? ''), 200)))));
  const block = el('div', 'claude-block claude-data', el('table', '', head, el('tbody', '', ...body)));
  frameTables(block);
  const more = found.rows.length - rows.length;
  return more > 0 ? [block, el('p', 'claude-hint', plural(more, 'more row'))] : [block];
}

function fieldList(input: Record<string, unknown>, without: readonly string[]): HTMLElement[] {
  const list = el('dl', 'claude-fields');
  for (const [name, value] of Object.entries(input)) {
    if (!without.includes(name) && value !== undefined) {
      list.append(el('dt', '', visible(name)), el('dd', '', fieldValue(name, value)));
    }
  }
  return list.childElementCount > 0 ? [list] : [];
}

function fieldValue(name: string, value: unknown): HTMLElement | string {
  const words = visible(typeof value === 'string' ? value : JSON.stringify(value, null, 2));
  return words.includes('\n') || words.length > 300 ? plainText(words, oneLine(name)) : words;
}

function answerList(questions: readonly AskedQuestion[]): HTMLElement {
  const list = el('dl', 'claude-answers');
  for (const { question, options, answer } of questions) {
    const about = options.find(option => option.label === answer)?.description ?? '';
    const lines = answer
      ? [el('span', 'claude-answer', visible(answer)), about ? el('span', 'claude-hint', visible(about)) : '']
      : [el('span', 'claude-hint', options.map(option => visible(option.label)).join(' · ') || 'not answered')];
    list.append(el('dt', '', visible(question)), el('dd', '', ...lines));
  }
  return list;
}

const TODO_SIGNS: ReadonlyMap<string, [string, string]> = new Map([
  ['completed', ['✓', 'done']],
  ['in_progress', ['◐', 'in progress']],
  ['pending', ['○', 'to do']]
]);

function todoList(todos: readonly Todo[]): HTMLElement {
  const list = el('ul', 'claude-todo');
  for (const { text, status } of todos) {
    const [sign, words] = TODO_SIGNS.get(status) ?? ['○', visible(status)];
    const mark = el('span', 'claude-sign', sign);
    mark.setAttribute('role', 'img');
    mark.setAttribute('aria-label', words);
    const item = el('li', '', mark, el('span', '', visible(text)));
    item.dataset['status'] = TODO_SIGNS.has(status) ? status : 'pending';
    list.append(item);
  }
  return list;
}

/** Many finished tool uses, as one line until it is opened. */
export class ToolGroup implements Piece<readonly Keyed<Item>[]> {
  readonly node = el('details', 'claude-group');

  constructor(
    private readonly _context: ViewContext,
    make: (item: Item) => Piece<Item>
  ) {
    this.node.append(el('summary', '', this._words), this._body);
    this._children = new KeyedChildren(this._body, make);
    this.node.addEventListener('toggle', () => {
      this._draw();
    });
  }

  update(items: readonly Keyed<Item>[]): void {
    if (items.slice(this._items.length).some(({ shown }) => this._isRead(shown))) {
      this.node.open = true;
    }
    this._items = items;
    setText(this._words, groupWords(items));
    this._draw();
  }

  dispose(): void {
    this._children.dispose();
  }

  private _draw(): void {
    this._children.update(this.node.open ? this._items : []);
  }

  /** Whether the reader has opened it, so that it must not go out of sight. */
  private _isRead(item: Item): boolean {
    return item.kind === 'tool' && this._context.opened.get(item.tool.id) === true;
  }

  private _items: readonly Keyed<Item>[] = [];
  private readonly _words = el('span', 'claude-words');
  private readonly _body = el('div', 'claude-nested');
  private readonly _children: KeyedChildren<Item>;
}

function groupWords(items: readonly Keyed<Item>[]): string {
  const names = new Map<string, number>();
  let total = 0;
  let failed = 0;
  for (const { shown } of items) {
    if (shown.kind === 'tool') {
      total++;
      failed += Number(shown.tool.is_error);
      names.set(toolTitle(shown.tool.name), (names.get(toolTitle(shown.tool.name)) ?? 0) + 1);
    }
  }
  const often = [...names].sort((one, other) => other[1] - one[1]).slice(0, 4);
  const kinds = often.map(([name, number]) => `${number} ${name}`).join(', ');
  const more = names.size > often.length ? ', …' : '';
  return `${plural(total, 'tool use')} · ${kinds}${more}${failed > 0 ? ` · ${failed} not done` : ''}`;
}
