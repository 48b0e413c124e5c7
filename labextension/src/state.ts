/** A run as the page knows it: stored data or messages of the kernel in, one immutable state out. Never throws. */

import { VERSION } from './protocol';
import type { Context, Cut, Part, Patch, Picture, Question, RunData, SentValue, Todo, ToolPart, ToolState, Undo, Usage } from './protocol';

/** The data of a run, and what only a live one has. What did not change keeps its identity. */
export interface RunState extends RunData {
  /** What waits for a person. */
  readonly questions: readonly Question[];
  /** Number of the last message that was applied. */
  readonly seq: number;
  /** Whether a message is missing: only a snapshot helps. */
  readonly gap: boolean;
}

type Fields = Record<string, unknown>;

/**
 * Read a run from stored data of any age and quality.
 *
 * @param data - what stands under the MIME type in a notebook, or in a snapshot.
 * @returns the run with defaults for what is missing or of a wrong kind.
 */
export function fromData(data: unknown): RunState {
  const given = fields(data);
  return {
    ...knownFields(EMPTY, given),
    version: number(given['version'], VERSION),
    parts: list(given['parts']).map(readPart).filter(isPart),
    questions: [],
    seq: 0,
    gap: false
  };
}

/**
 * Apply one message of the kernel.
 *
 * @param state - the state before; it is not changed.
 * @param message - as it came on the comm, unchecked.
 * @returns the state after: the same object where the message said nothing new or nothing that could be understood.
 */
export function reduce(state: RunState, message: unknown): RunState {
  const given = fields(message);
  const seq = number(given['seq'], -1);
  switch (given['type']) {
    case 'snapshot':
      return {
        ...fromData(given['run']),
        questions: list(given['questions']).map(readQuestion).filter(isQuestion),
        seq
      };
    case 'final':
      return { ...fromData(given['run']), live: false, seq };
    case 'ops':
      if (seq >= 0 && seq <= state.seq) {
        return state;
      }
      if (state.gap || seq !== state.seq + 1) {
        return state.gap ? state : { ...state, gap: true };
      }
      return { ...list(given['ops']).reduce<RunState>(applyOperation, state), seq };
    default:
      return state;
  }
}

function applyOperation(state: RunState, op: unknown): RunState {
  const [name, first, second] = list(op);
  switch (name) {
    case 'append':
      return append(state, first, second);
    case 'part':
      return setPart(state, first, readPart(second));
    case 'truncate':
      return { ...state, parts: state.parts.slice(0, Math.max(0, number(first, state.parts.length))) };
    case 'set':
      return { ...state, ...knownFields(state, fields(first)) };
    case 'ask':
      return ask(state, readQuestion(first));
    case 'settled':
      return { ...state, questions: state.questions.filter(question => question.id !== first) };
    default:
      return state;
  }
}

function append(state: RunState, index: unknown, text: unknown): RunState {
  const part = typeof index === 'number' ? state.parts[index] : undefined;
  if (part === undefined || part.type === 'tool' || typeof text !== 'string') {
    return { ...state, gap: true };
  }
  return withPart(state, index as number, { ...part, text: part.text + text });
}

function setPart(state: RunState, index: unknown, part: Part | null): RunState {
  const place = number(index, -1);
  if (place < 0 || place > state.parts.length || !Number.isInteger(place)) {
    return { ...state, gap: true };
  }
  // A part that this version does not know still takes its place, so that later indices stay right.
  return withPart(state, place, part ?? { type: 'note', text: '' });
}

function withPart(state: RunState, index: number, part: Part): RunState {
  const parts = state.parts.slice();
  parts[index] = part;
  return { ...state, parts };
}

function ask(state: RunState, question: Question | null): RunState {
  if (question === null) {
    return state;
  }
  return { ...state, questions: [...state.questions.filter(other => other.id !== question.id), question] };
}

// Reading data of unknown quality.

const EMPTY: Omit<RunData, 'parts'> = {
  version: VERSION,
  run: '',
  live: false,
  session: '',
  session_id: '',
  turn: 0,
  turn_id: '',
  model: '',
  mode: '',
  kernel: '',
  simulated: false,
  source: '',
  prompt: '',
  outcome: null,
  error: '',
  notice: '',
  usage: { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 },
  cost_usd: 0,
  estimated: false,
  duration_s: 0,
  waited_s: 0,
  ttft_s: null,
  started: 0,
  session_cost_usd: null,
  context: null,
  edits: 0,
  filled: '',
  sent: [],
  granted: [],
  cut: { characters: 0, parts: 0 },
  undo: null,
  cells_undone: ''
};

type Reader = (value: unknown, before: never) => unknown;

const READERS: Record<Exclude<keyof RunData, 'version' | 'parts'>, Reader> = {
  run: string,
  live: boolean,
  session: string,
  session_id: string,
  turn: number,
  turn_id: string,
  model: string,
  mode: string,
  kernel: string,
  simulated: boolean,
  source: string,
  prompt: string,
  outcome: (value, before: string | null) => (typeof value === 'string' || value === null ? value : before),
  error: string,
  notice: string,
  usage: readUsage,
  cost_usd: number,
  estimated: boolean,
  duration_s: number,
  waited_s: number,
  ttft_s: numberOrNull,
  started: number,
  session_cost_usd: numberOrNull,
  context: readContext,
  edits: number,
  filled: string,
  sent: readSent,
  granted: strings,
  cut: readCut,
  undo: readUndo,
  cells_undone: string
};

function knownFields<Base extends Omit<RunData, 'parts'>>(base: Base, given: Fields): Base {
  const read: Fields = {};
  for (const [name, reader] of Object.entries(READERS)) {
    if (Object.hasOwn(given, name)) {
      read[name] = reader(given[name], base[name as keyof Base] as never);
    }
  }
  return { ...base, ...read };
}

function readPart(value: unknown): Part | null {
  const given = fields(value);
  switch (given['type']) {
    case 'text':
      return { type: 'text', text: string(given['text'], '') };
    case 'note':
      return { type: 'note', text: string(given['text'], '') };
    case 'thinking':
      return { type: 'thinking', text: string(given['text'], ''), duration_s: number(given['duration_s'], 0) };
    case 'tool':
      return readTool(given);
    default:
      return null;
  }
}

function readSent(value: unknown): SentValue[] {
  return list(value)
    .map(fields)
    .map(one => ({
      label: string(one['label'], ''),
      words: string(one['words'], ''),
      tokens: number(one['tokens'], 0),
      text: string(one['text'], ''),
      pictures: list(one['pictures']).map(readPicture)
    }));
}

const TOOL_STATES: ReadonlySet<unknown> = new Set(['waiting', 'running', 'done', 'failed', 'denied', 'cancelled']);

function readTool(given: Fields): ToolPart {
  return {
    type: 'tool',
    id: string(given['id'], ''),
    name: string(given['name'], 'tool'),
    input: fields(inOrder(given['input'], strings(given['keys']))),
    keys: strings(given['keys']),
    edited: boolean(given['edited'], false),
    todos: readTodos(given),
    result: string(given['result'], ''),
    patch: readPatch(given['patch']),
    pictures: list(given['pictures']).map(readPicture),
    is_error: boolean(given['is_error'], false),
    state: TOOL_STATES.has(given['state']) ? (given['state'] as ToolState) : 'done',
    parent: string(given['parent'], ''),
    duration_s: number(given['duration_s'], 0),
    started: number(given['started'], 0)
  };
}

/** Return the to-do list of a tool use; notebooks of version 0.1 hold it in the input of TodoWrite alone. */
function readTodos(given: Fields): Todo[] {
  if (Array.isArray(given['todos'])) {
    return given['todos'].map(fields).map(item => ({ text: string(item['text'], ''), status: string(item['status'], '') }));
  }
  const written = given['name'] === 'TodoWrite' && given['state'] === 'done' ? fields(given['input'])['todos'] : [];
  const items = Array.isArray(written) ? written.map(fields) : [];
  return items.map(item => ({ text: string(item['content'], ''), status: string(item['status'], '') }));
}

/** Return a value with the keys of its objects in the order in which they are named. */
function inOrder(value: unknown, keys: readonly string[]): unknown {
  if (Array.isArray(value)) {
    return value.map(item => inOrder(item, keys));
  }
  if (keys.length === 0 || typeof value !== 'object' || value === null) {
    return value;
  }
  const place = new Map(keys.map((key, at) => [key, at]));
  const entries = Object.entries(value).sort(([one], [other]) => (place.get(one) ?? keys.length) - (place.get(other) ?? keys.length));
  return Object.fromEntries(entries.map(([key, item]) => [key, inOrder(item, keys)]));
}

function readPatch(value: unknown): Patch[] {
  return list(value)
    .map(fields)
    .map(one => ({ old: number(one['old'], 0), new: number(one['new'], 0), lines: strings(one['lines']) }));
}

const PICTURES: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

/** Read a picture; one that is none, or has an address, is its words. */
function readPicture(value: unknown): Picture {
  const given = fields(value);
  const [kind, data] = [string(given['kind'], ''), string(given['data'], '')];
  const isSound = PICTURES.has(kind) && /^[A-Za-z0-9+/]+={0,2}$/.test(data);
  return { kind, data: isSound ? data : '', words: string(given['words'], 'picture') };
}

function readQuestion(value: unknown): Question | null {
  const given = fields(value);
  const question: Question = {
    id: string(given['id'], ''),
    token: string(given['token'], ''),
    tool_use_id: string(given['tool_use_id'], ''),
    tool: string(given['tool'], ''),
    title: string(given['title'], ''),
    input: fields(given['input']),
    editable: string(given['editable'], ''),
    kind: given['kind'] === 'questions' || given['kind'] === 'plan' ? given['kind'] : 'permission',
    plan: string(given['plan'], ''),
    grants: strings(given['grants']),
    patch: readPatch(given['patch'])
  };
  return question.id && question.token ? question : null;
}

function readUsage(value: unknown): Usage {
  const given = fields(value);
  return {
    input_tokens: number(given['input_tokens'], 0),
    output_tokens: number(given['output_tokens'], 0),
    cache_read_tokens: number(given['cache_read_tokens'], 0),
    cache_write_tokens: number(given['cache_write_tokens'], 0)
  };
}

function readContext(value: unknown): Context | null {
  const given = fields(value);
  const context = { used: number(given['used'], 0), max: number(given['max'], 0) };
  return context.max > 0 ? context : null;
}

function readCut(value: unknown): Cut {
  const given = fields(value);
  return { characters: number(given['characters'], 0), parts: number(given['parts'], 0) };
}

function readUndo(value: unknown): Undo | null {
  if (value === null || value === undefined) {
    return null;
  }
  const given = fields(value);
  return {
    files: strings(given['files']),
    deleted: strings(given['deleted']),
    insertions: number(given['insertions'], 0),
    deletions: number(given['deletions'], 0),
    done: boolean(given['done'], false),
    error: string(given['error'], '')
  };
}

function isPart(part: Part | null): part is Part {
  return part !== null;
}

function isQuestion(question: Question | null): question is Question {
  return question !== null;
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function strings(value: unknown): string[] {
  return list(value).filter(item => typeof item === 'string');
}

function string(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

function number(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

function numberOrNull(value: unknown, otherwise: number | null): number | null {
  return value === null ? null : typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

function boolean(value: unknown, otherwise: boolean): boolean {
  return typeof value === 'boolean' ? value : otherwise;
}
