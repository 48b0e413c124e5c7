/** What a tool use is about: the one telling argument, what was written, what was changed, where it stands. */

import { changed, diffLines } from './diff';
import type { DiffLine } from './diff';
import type { ToolPart, ToolState } from './protocol';
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
  ['Write', 'file_path']
]);

export interface TodoItem {
  readonly text: string;
  readonly status: string;
}

/** Difference of one place in a file. */
export interface Hunk {
  readonly lines: readonly DiffLine[];
  /** Number of its first line in the file; 0 where nobody said. */
  readonly start: number;
}

export function isOver(state: ToolState): boolean {
  return state !== 'waiting' && state !== 'running';
}

/** Whether the tool starts a subagent, whose tool uses then have it as their parent. */
export function isAgent(tool: ToolPart): boolean {
  return tool.name === 'Agent' || tool.name === 'Task';
}

/** Return the name as a person reads it: `mcp__server__tool` is `tool (server)`. */
export function toolTitle(name: string): string {
  if (name === 'TodoWrite') {
    return 'To do';
  }
  const match = /^mcp__(.+?)__(.+)$/.exec(name);
  return oneLine(match ? `${match[2]} (${match[1]})` : name, 80);
}

/** Return the one argument that says what a tool use is about, on one line; "" where there is none. */
export function tellingArgument(tool: Pick<ToolPart, 'name' | 'input'>): string {
  const todos = todoItems(tool);
  if (todos.length > 0) {
    return `${todos.filter(todo => todo.status === 'completed').length} of ${todos.length} done`;
  }
  if (isAgent(tool as ToolPart)) {
    const kind = tool.input['subagent_type'];
    return oneLine([kind, tool.input['description']].filter(word => typeof word === 'string' && word).join(': '));
  }
  const value = tool.input[TELLING.get(tool.name) ?? ''];
  if (typeof value === 'string') {
    return oneLine(value);
  }
  return Object.keys(tool.input).length > 0 ? oneLine(compact(tool.input)) : '';
}

function compact(input: Record<string, unknown>): string {
  return JSON.stringify(input, (_, item: unknown) => (typeof item === 'string' ? item.slice(0, 320) : item));
}

/** Return the items of a todo list; empty for any other tool. */
export function todoItems(tool: Pick<ToolPart, 'name' | 'input'>): TodoItem[] {
  const todos = tool.name === 'TodoWrite' ? tool.input['todos'] : null;
  if (!Array.isArray(todos)) {
    return [];
  }
  return todos
    .filter((item): item is Record<string, unknown> => typeof item === 'object' && item !== null)
    .map(item => ({ text: text(item['content']), status: text(item['status']) }));
}

const diffs = new WeakMap<object, readonly Hunk[]>();

/** Return what a tool changes in a file; empty for a tool that edits none. Compared once for each input. */
export function hunksOf(tool: Pick<ToolPart, 'name' | 'input' | 'result'>): readonly Hunk[] {
  let hunks = diffs.get(tool.input);
  if (hunks === undefined) {
    hunks = compareInput(tool);
    diffs.set(tool.input, hunks);
  }
  return hunks;
}

function compareInput({ name, input }: Pick<ToolPart, 'name' | 'input'>): Hunk[] {
  switch (name) {
    case 'Edit':
      return hunk(input['old_string'], input['new_string']);
    case 'MultiEdit': {
      const edits = Array.isArray(input['edits']) ? (input['edits'] as unknown[]) : [];
      return edits.flatMap(edit => {
        const given = (typeof edit === 'object' && edit !== null ? edit : {}) as Record<string, unknown>;
        return hunk(given['old_string'], given['new_string']);
      });
    }
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

/**
 * Return where a tool use stands in plain words.
 *
 * @param tool - the tool use.
 * @param nested - how many tool uses its subagent made.
 * @param now - the time in unix seconds, for one that still runs.
 */
export function stateWords(tool: ToolPart, nested: number, now: number): string {
  const took = tool.state === 'running' && tool.started > 0 ? Math.max(0, now - tool.started) : tool.duration_s;
  switch (tool.state) {
    case 'waiting':
      return 'waiting for permission';
    case 'running':
      return ['running', took >= 1 ? wholeSeconds(Math.floor(took)) : '', nestedWords(nested)]
        .filter(Boolean)
        .join(' · ');
    case 'cancelled':
      return took >= 0.05 ? `cancelled after ${seconds(took)}` : 'cancelled';
    case 'denied':
      return 'denied';
    case 'failed':
      return took >= 0.05 ? `failed · ${seconds(took)}` : 'failed';
    case 'done':
      return doneWords(tool, nested, took);
  }
}

function doneWords(tool: ToolPart, nested: number, took: number): string {
  const { inserted, deleted } = changedLines(tool);
  const words = [nestedWords(nested)];
  if (inserted > 0 || deleted > 0) {
    words.push([inserted > 0 ? `+${inserted}` : '', deleted > 0 ? `−${deleted}` : ''].filter(Boolean).join(' '));
  } else if (took >= 0.05) {
    words.push(seconds(took));
  }
  if (tool.name === 'Read' || tool.name === 'Grep' || tool.name === 'Glob') {
    words.push(plural(linesOf(tool.result).length, 'line'));
  }
  return words.filter(Boolean).join(' · ') || 'done';
}

function nestedWords(nested: number): string {
  return nested > 0 ? plural(nested, 'tool') : '';
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
