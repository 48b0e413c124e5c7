/** What a tool use is about: the one telling argument, what was written, what was changed, where it stands. */

import { changed, diffLines } from './diff';
import type { DiffLine } from './diff';
import type { Patch, ToolPart, ToolState } from './protocol';
import { linesOf, oneLine, plural, seconds, wholeSeconds } from './text';

const TELLING: ReadonlyMap<string, string> = new Map([
  ['Agent', 'description'],
  ['Bash', 'command'],
  ['BashOutput', 'bash_id'],
  ['Edit', 'file_path'],
  ['Glob', 'pattern'],
  ['Grep', 'pattern'],
  ['LS', 'path'],
  ['MultiEdit', 'file_path'],
  ['NotebookEdit', 'notebook_path'],
  ['Read', 'file_path'],
  ['Skill', 'skill'],
  ['Task', 'description'],
  ['ToolSearch', 'query'],
  ['WebFetch', 'url'],
  ['WebSearch', 'query'],
  ['Write', 'file_path'],
  ['mcp__kernel__inspect', 'name'],
  ['mcp__kernel__list_variables', 'pattern'],
  ['mcp__kernel__delete_cell', 'cell_id'],
  ['mcp__kernel__read_cells', 'which']
]);

/** Tools of the kernel whose input is code or Markdown, and the field that has it. */
const CODE_FIELDS: ReadonlyMap<string, string> = new Map([
  ['mcp__kernel__run_python', 'code'],
  ['mcp__kernel__add_cell', 'source'],
  ['mcp__kernel__edit_cell', 'source']
]);

/** Return the code that a tool use brings, with the field that has it; `null` for any other tool. */
export function codeInput({ name, input }: Pick<ToolPart, 'name' | 'input'>): { field: string; code: string; language: string } | null {
  const field = CODE_FIELDS.get(name) ?? '';
  const code = input[field];
  return typeof code === 'string' ? { field, code, language: input['cell_type'] === 'markdown' ? 'markdown' : 'python' } : null;
}

/** Difference of one place in a file. */
export interface Hunk {
  readonly lines: readonly DiffLine[];
  /** Number of its first line in the file; 0 where it is unknown. */
  readonly start: number;
}

export function isOver(state: ToolState): boolean {
  return state !== 'waiting' && state !== 'running';
}

/** Whether the tool starts a subagent, whose tool uses then have it as their parent. */
export function isAgent(tool: Pick<ToolPart, 'name'>): boolean {
  return tool.name === 'Agent' || tool.name === 'Task';
}

const TITLES: ReadonlyMap<string, string> = new Map([
  ['AskUserQuestion', 'Question'],
  ['StructuredOutput', 'Answer as data'],
  ['ExitPlanMode', 'Plan'],
  ['TaskCreate', 'To do'],
  ['TaskList', 'To do'],
  ['TaskUpdate', 'To do'],
  ['TodoWrite', 'To do'],
  ['mcp__kernel__list_variables', 'Look at variables'],
  ['mcp__kernel__inspect', 'Look at'],
  ['mcp__kernel__run_python', 'Run Python'],
  ['mcp__kernel__read_cells', 'Read cells'],
  ['mcp__kernel__add_cell', 'Add cell'],
  ['mcp__kernel__edit_cell', 'Edit cell'],
  ['mcp__kernel__delete_cell', 'Delete cell']
]);

/** Return the name as a person reads it: `mcp__server__tool` is `tool (server)`. */
export function toolTitle(name: string): string {
  const match = /^mcp__(.+?)__(.+)$/.exec(name);
  return TITLES.get(name) ?? oneLine(match ? `${match[2]} (${match[1]})` : name, 80);
}

/** Return the plan that a tool use brings before a person, as Markdown; "" for any other tool. */
export function planOf(tool: Pick<ToolPart, 'name' | 'input'>): string {
  const plan = tool.name === 'ExitPlanMode' ? tool.input['plan'] : '';
  return typeof plan === 'string' ? plan : '';
}

/** Return the one argument that says what a tool use is about, on one line; "" where there is none. */
export function tellingArgument(tool: Pick<ToolPart, 'name' | 'input' | 'todos'>): string {
  const { todos } = tool;
  if (todos.length > 0) {
    return `${todos.filter(todo => todo.status === 'completed').length} of ${todos.length} done`;
  }
  const questions = askedQuestions(tool);
  if (questions.length > 0) {
    return oneLine(questions.map(asked => asked.answer || asked.question).join(' · '));
  }
  const plan = planOf(tool);
  if (plan !== '') {
    return oneLine((/\S[^\n]*/.exec(plan)?.[0] ?? '').replace(/^#+\s*/, ''));
  }
  if (isAgent(tool)) {
    const kind = tool.input['subagent_type'];
    return oneLine([kind, tool.input['description']].filter(word => typeof word === 'string' && word).join(': '));
  }
  if (isData(tool)) {
    const records = recordsOf(tool.input);
    return records === null ? plural(Object.keys(tool.input).length, 'value') : `${oneLine(records.name, 60)}: ${plural(records.rows.length, 'record')}`;
  }
  const code = codeInput(tool);
  if (code !== null) {
    const purpose = tool.input['purpose'];
    return oneLine(typeof purpose === 'string' && purpose !== '' ? purpose : (/\S[^\n]*/.exec(code.code)?.[0] ?? ''));
  }
  const value = tool.input[TELLING.get(tool.name) ?? ''];
  if (typeof value === 'string' || Array.isArray(value)) {
    return oneLine(valueWords(value));
  }
  return Object.keys(tool.input).length > 0 ? oneLine(compact(tool.input)) : '';
}

function compact(input: Record<string, unknown>): string {
  return JSON.stringify(input, (_, item: unknown) => (typeof item === 'string' ? item.slice(0, 320) : item));
}

/**
 * Return the names of the input fields that the one line of a tool use shows whole.
 *
 * A card need not repeat them when it is opened.
 */
export function summarizedFields(tool: Pick<ToolPart, 'name' | 'input'>): string[] {
  if (tool.name === 'Bash') {
    return []; // its line gives way to the command
  }
  const names = isAgent(tool) ? ['subagent_type', 'description'] : [TELLING.get(tool.name) ?? ''];
  return names.filter(name => {
    const value = tool.input[name];
    return typeof value === 'string' && oneLine(value) === value;
  });
}

/** Whether the tool use is an answer as data. */
export function isData(tool: Pick<ToolPart, 'name'>): boolean {
  return tool.name === 'StructuredOutput';
}

/** Return the records of an answer that is one list of them; else `null`. */
export function recordsOf(input: Record<string, unknown>): { name: string; rows: Record<string, unknown>[] } | null {
  const [first, ...others] = Object.entries(input);
  if (first === undefined || others.length > 0 || !Array.isArray(first[1]) || first[1].length === 0) {
    return null;
  }
  const rows = records(first[1]);
  return rows.length === first[1].length ? { name: first[0], rows } : null;
}

/** Return a value as a reader wants it: a text as it is, a list of texts with commas, anything else as JSON. */
export function valueWords(value: unknown): string {
  if (typeof value === 'string') {
    return value;
  }
  const isTexts = Array.isArray(value) && value.length > 0 && value.every(item => typeof item === 'string');
  return isTexts ? value.join(', ') : JSON.stringify(value);
}

/** One of the model's own questions (AskUserQuestion). */
export interface AskedQuestion {
  readonly question: string;
  readonly header: string;
  readonly several: boolean;
  readonly options: readonly { readonly label: string; readonly description: string }[];
  /** What was answered: labels, or words of one's own; "" while it is open. */
  readonly answer: string;
}

/** Return the questions that a tool use puts to a person; empty for any other tool. */
export function askedQuestions(tool: Pick<ToolPart, 'name' | 'input'>): AskedQuestion[] {
  if (tool.name !== 'AskUserQuestion') {
    return [];
  }
  const answers = record(tool.input['answers']);
  return records(tool.input['questions']).map(given => {
    const question = text(given['question']);
    return {
      question,
      header: text(given['header']),
      several: given['multiSelect'] === true,
      options: records(given['options']).map(option => ({
        label: text(option['label']),
        description: text(option['description'])
      })),
      answer: Object.hasOwn(answers, question) ? text(answers[question]) : ''
    };
  });
}

// A tool's own failures come in a tag that is meant for the model.
const FAILURE = /^<tool_use_error>([\s\S]*?)(?:<\/tool_use_error>)?\s*$/;

/** Return what a tool gave back as a person wants to read it; of a file that was read without a line that is not there. */
export function resultText({ name, result }: Pick<ToolPart, 'name' | 'result'>): string {
  const text = FAILURE.exec(result)?.[1] ?? result;
  return name === 'Read' ? text.replace(/\n[^\S\n]*\d+[→\t]\n?$/, '') : text;
}

const diffs = new WeakMap<object, readonly Hunk[]>();

/** Return what a tool changes in a file; empty for a tool that edits none. Compared once for each input. */
export function hunksOf(tool: Pick<ToolPart, 'name' | 'input' | 'result' | 'patch'>): readonly Hunk[] {
  if (tool.patch.length > 0) {
    return tool.patch.map(numbered);
  }
  let hunks = diffs.get(tool.input);
  if (hunks === undefined) {
    hunks = compareInput(tool);
    diffs.set(tool.input, hunks);
  }
  return hunks;
}

function numbered(patch: Patch): Hunk {
  let [old, now] = [patch.old, patch.new];
  const lines = patch.lines.map((line): DiffLine => {
    const mark = line.startsWith('+') ? '+' : line.startsWith('-') ? '-' : ' ';
    const shown = { mark, text: line.slice(1), line: mark === '-' ? old : now } as const;
    old += Number(mark !== '+');
    now += Number(mark !== '-');
    return shown;
  });
  return { lines, start: Math.min(1, patch.new) };
}

function compareInput({ name, input }: Pick<ToolPart, 'name' | 'input'>): Hunk[] {
  switch (name) {
    case 'Edit':
      return hunk(input['old_string'], input['new_string']);
    case 'MultiEdit':
      return records(input['edits']).flatMap(edit => hunk(edit['old_string'], edit['new_string']));
    case 'Write':
      return hunk('', input['content']).map(one => ({ ...one, start: 1 }));
    case 'NotebookEdit':
      return hunk('', input['new_source']);
    default:
      return [];
  }
}

function hunk(before: unknown, after: unknown): Hunk[] {
  if (typeof before !== 'string' || typeof after !== 'string') {
    return [];
  }
  const lines = diffLines(before, after);
  return lines.length > 0 ? [{ lines, start: 0 }] : [];
}

/** Return how many lines a tool inserts and deletes. */
export function changedLines(tool: ToolPart): { inserted: number; deleted: number } {
  return changed(hunksOf(tool).flatMap(one => one.lines));
}

/** Return the number of the line in the file with which a difference begins, where the tool's result shows it. */
export function startLine(result: string, lines: readonly DiffLine[]): number {
  const first = lines.find(line => line.mark === '+' || line.mark === ' ');
  if (first === undefined || first.text.trim() === '') {
    return 0;
  }
  for (const line of result.slice(0, 50_000).split('\n')) {
    const match = /^\s*(\d+)[→\t](.*)$/.exec(line);
    if (match?.[2] === first.text) {
      return Number(match[1]) - first.line + 1;
    }
  }
  return 0;
}

const QUESTION_STATES = {
  waiting: 'waiting for your answer',
  running: 'waiting for your answer',
  done: 'answered',
  failed: 'not answered',
  denied: 'not answered',
  cancelled: 'not answered'
} as const;

/**
 * Return where a tool use stands in plain words.
 *
 * @param tool - the tool use.
 * @param nested - how many tool uses its subagent made.
 * @param now - the time in unix seconds, for one that still runs.
 */
export function stateWords(tool: ToolPart, nested: number, now: number): string {
  if (tool.name === 'AskUserQuestion') {
    return QUESTION_STATES[tool.state];
  }
  const took = tool.state === 'running' && tool.started > 0 ? Math.max(0, now - tool.started) : tool.duration_s;
  switch (tool.state) {
    case 'waiting':
      return 'waiting for permission';
    case 'running':
      return ['running', took >= 1 ? wholeSeconds(Math.floor(took)) : '', nestedWords(nested)].filter(Boolean).join(', ');
    case 'cancelled':
      return took >= 0.05 ? `cancelled after ${seconds(took)}` : 'cancelled';
    case 'denied':
      return 'denied';
    case 'failed':
      return took >= 0.05 ? `failed, ${seconds(took)}` : 'failed';
    case 'done':
      return doneWords(tool, nested, took);
  }
}

function doneWords(tool: ToolPart, nested: number, took: number): string {
  const { inserted, deleted } = changedLines(tool);
  const changes = [inserted > 0 ? `+${inserted}` : '', deleted > 0 ? `−${deleted}` : ''].filter(Boolean).join(' ');
  const words = [took >= 0.05 ? seconds(took) : '', changes, sizeWords(tool), nestedWords(nested)];
  return words.filter(Boolean).join(', ') || 'done';
}

/** How much was read or found. */
function sizeWords(tool: ToolPart): string {
  if (!['Glob', 'Grep', 'Read'].includes(tool.name)) {
    return '';
  }
  const cells = tool.name === 'Read' ? tool.result.split('<cell id=').length - 1 : 0;
  if (cells > 0) {
    return plural(cells, 'cell');
  }
  const lines = linesOf(resultText(tool));
  const isCounted = tool.name !== 'Read' || /^\s*\d+[→\t]/.test(lines[0] ?? '');
  return lines.length > 0 && isCounted ? plural(lines.length, 'line') : '';
}

function nestedWords(nested: number): string {
  return nested > 0 ? plural(nested, 'tool') : '';
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function records(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'object' && item !== null).map(record) : [];
}
