/**
 * What kernel and page say to each other; `claude_magic/widgets/protocol.py` holds the same names.
 *
 * Kernel to page, on a comm: a snapshot, then numbered operations on it, at last the final data.
 * Page to kernel, on the control channel (which a running cell does not block) or on the comm: `Request`.
 */

export const VERSION = 1;
export const COMM_TARGET = 'claude-magic';
export const REQUEST = 'claude_magic_request';
export const REPLY = 'claude_magic_reply';
export const MIME_TYPE = 'application/vnd.claude-magic.v1+json';

/** Tokens of a turn. */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
}

/** How full the model's window is, in tokens. */
export interface Context {
  used: number;
  max: number;
}

/** What was left out of stored data. */
export interface Cut {
  characters: number;
  parts: number;
}

/** Markdown of the model. */
export interface TextPart {
  type: 'text';
  text: string;
}

/** Thoughts of the model. */
export interface ThinkingPart {
  type: 'thinking';
  text: string;
  duration_s: number;
}

/** Where a tool use stands. */
export type ToolState = 'waiting' | 'running' | 'done' | 'failed' | 'denied' | 'cancelled';

/** One thing to do; the status is "pending", "in_progress" or "completed". */
export interface Todo {
  text: string;
  status: string;
}

/** A place in a file that is changed: numbers of its first line before and after, 0 where not known. */
export interface Patch {
  old: number;
  new: number;
  /** Each begins with "+", "-" or a space. */
  lines: readonly string[];
}

/** A picture that was sent, or that a tool gave back: MIME type, base64 ("" if not shown), what it is in words. */
export interface Picture {
  kind: string;
  data: string;
  words: string;
}

/** One tool use; `parent` is the tool use that started the subagent it belongs to, or "". */
export interface ToolPart {
  type: 'tool';
  id: string;
  name: string;
  input: Record<string, unknown>;
  /** Keys of the input, at any depth, in the order they came: a notebook file sorts them. */
  keys: readonly string[];
  /** Whether a person gave it this input in place of the model's. */
  edited: boolean;
  /** The to-do list after it; empty for a tool that is not about one. */
  todos: readonly Todo[];
  result: string;
  /** What it changed in a file, where that is known. */
  patch: readonly Patch[];
  pictures: readonly Picture[];
  is_error: boolean;
  state: ToolState;
  parent: string;
  duration_s: number;
  started: number;
}

/** A quiet line: retries, rate limits, compaction. */
export interface NotePart {
  type: 'note';
  text: string;
}

export type Part = TextPart | ThinkingPart | ToolPart | NotePart;

/** What undoing a turn's edits would change, or has changed; `deleted` are the files that the turn created. */
export interface Undo {
  files: string[];
  deleted: string[];
  insertions: number;
  deletions: number;
  done: boolean;
  error: string;
}

/** What went into a prompt beside the typed text: how it was asked for, what it is, about how many tokens, its text. */
export interface SentValue {
  label: string;
  words: string;
  tokens: number;
  /** Cut to a few thousand characters; secrets are left out. */
  text: string;
  pictures: readonly Picture[];
}

/** A run as data: what is stored in the notebook, and the snapshot of a live one. */
export interface RunData {
  version: number;
  run: string;
  live: boolean;
  session: string;
  session_id: string;
  turn: number;
  turn_id: string;
  model: string;
  mode: string;
  /** What Claude may do in the kernel: "off", "read", "ask" or "run"; "" where that is not known. */
  kernel: string;
  simulated: boolean;
  source: string;
  prompt: string;
  parts: readonly Part[];
  outcome: string | null;
  error: string;
  notice: string;
  usage: Usage;
  cost_usd: number;
  estimated: boolean;
  duration_s: number;
  /** How much of that a person was waited for. */
  waited_s: number;
  ttft_s: number | null;
  started: number;
  session_cost_usd: number | null;
  context: Context | null;
  edits: number;
  filled: string;
  /** What went into the prompt beside the typed text. */
  sent: readonly SentValue[];
  granted: readonly string[];
  cut: Cut;
  undo: Undo | null;
  /** What became of putting back the cells that the turn changed; "" while no one has asked. */
  cells_undone: string;
}

/** A question of the CLI that waits for a person. `token` makes an answer count once, and from here only. */
export interface Question {
  id: string;
  token: string;
  tool_use_id: string;
  tool: string;
  title: string;
  input: Record<string, unknown>;
  editable: string;
  kind: 'permission' | 'questions' | 'plan';
  /** Of a plan that waits for approval its Markdown; else "". */
  plan: string;
  /** What can be granted for the session, in words; an answer names one by its number. */
  grants: readonly string[];
  /** What it would change in a file. */
  patch: readonly Patch[];
}

/** A cell of the notebook as the page shows it, unsaved edits included; outputs are those of nbformat 4. */
export interface CellData {
  id?: string;
  cell_type?: string;
  source?: string;
  execution_count?: number | null;
  outputs?: readonly Record<string, unknown>[];
  metadata?: Record<string, unknown>;
}

/**
 * What the kernel asks of the page that ran the prompt's cell `prompt`, on a comm of its own.
 *
 * "read" wants all cells; "insert" puts `cell` below `after` ("": below the prompt and what was put there before);
 * "update" gives the cell `cell.id` its outputs and number; "replace" its source, and "delete" takes it away, both only
 * while its source is `expected`; "restore" puts a cell that was deleted back to the place `index`.
 */
export interface CellsRequest {
  id: string;
  client: string;
  prompt: string;
  operation: 'read' | 'insert' | 'update' | 'replace' | 'delete' | 'restore';
  cell?: CellData;
  after?: string;
  expected?: string;
  index?: number;
}

/**
 * The page's answer: the cells, or the id of the cell; else why not, with the source as it is now. Of a cell that was
 * deleted it has the whole cell, and its place.
 */
export interface CellsReply {
  cells?: readonly CellData[];
  cell?: string;
  index?: number;
  refused?: 'unknown' | 'changed' | 'read-only';
  source?: string;
}

/** A prompt that waits in a session; one that `steers` is sent in with the next step of the turn that runs. */
export interface QueuedPrompt {
  turn_id: string;
  prompt: string;
  steers: boolean;
}

/** An open session: what it is, and what it does now. */
export interface Session {
  name: string;
  session_id: string;
  /** "starting", "idle", "running", "waiting" (for the person) or "error". */
  state: string;
  /** The tool that it waits for a person to allow. */
  question: string;
  doing: string;
  /** When its turn was sent, in unix seconds; 0 while none runs. */
  since: number;
  prompt: string;
  /** Id of the cell that its turn stands below. */
  cell: string;
  turns: number;
  cost_usd: number;
  tokens: number;
  context: Context | null;
  model: string;
  folder: string;
  simulated: boolean;
  last_used: number;
  queue: readonly QueuedPrompt[];
  background: number;
  /** The shell command that goes on with it in a terminal. */
  resume: string;
}

/** An earlier conversation; `changed` is in unix seconds. */
export interface Conversation {
  session_id: string;
  title: string;
  folder: string;
  changed: number;
}

/** A turn that one can go back to; `started` is in unix seconds. */
export interface Turn {
  turn_id: string;
  turn: number;
  prompt: string;
  started: number;
  /** Edited by tools: they can be restored. */
  files: readonly string[];
  /** What commands changed. */
  not_restorable: readonly string[];
}

/** What going back to a turn would change, in words and as a difference. */
export interface Rewind {
  words: string;
  files: readonly string[];
  deleted: readonly string[];
  insertions: number;
  deletions: number;
  not_restorable: readonly string[];
  diff: string;
  /** The cell that comes back. */
  prompt: string;
}

/** What may stand at a place of a prompt, and a few words about it. */
export interface Suggestion {
  text: string;
  words: string;
}

/** What may stand at a place of a cell; `start` is where the word begins that it would replace, in characters. */
export interface Completion {
  start: number;
  items: readonly Suggestion[];
}

/** What the kernel says of names in a prompt: the kind of each value that there is, and what was meant by others. */
export interface NamesReply {
  known: Record<string, string>;
  meant: Record<string, string>;
  /** The options of the magic, by each of their names. */
  options: readonly string[];
}

/** What a page asks of the kernel; `widget` says of a hello that a widget says it, and not the extension. */
export interface Request {
  version: number;
  run: string;
  action:
    | 'hello'
    | 'attach'
    | 'stop'
    | 'answer'
    | 'undo'
    | 'undo_cells'
    | 'leave'
    | 'revoke'
    | 'runs'
    | 'cells'
    | 'names'
    | 'complete'
    | 'sessions'
    | 'conversations'
    | 'turns'
    | 'command';
  question?: string;
  token?: string;
  decision?: 'allow' | 'session' | 'edits' | 'deny';
  /** Of an answer the number of what is granted for the session; to revoke one of `granted`, "" for all. */
  grant?: number | string;
  reason?: string;
  stop?: boolean;
  input?: Record<string, unknown>;
  dry_run?: boolean;
  widget?: boolean;
  /** With the action "cells" the answer to the `CellsRequest` whose id `question` is. */
  cells?: CellsReply;
  /** With the action "names" those that a prompt mentions. */
  names?: readonly string[];
  /** With the action "complete": a cell, and a place in it, in characters. */
  code?: string;
  cursor?: number;
  /** With the action "sessions": the page wants to be told when they have changed. */
  watch?: boolean;
  /** With the action "command": what to do to which session. */
  command?: string;
  session?: string;
  name?: string;
  turn?: string;
  text?: string;
  place?: number;
  what?: string;
}

/** A request as the view makes it: version and run are added on the way. */
export type Action = Omit<Request, 'version' | 'run'>;

/** A message of the kernel as it is used here, after `reduce` has looked at it. */
export type KernelMessage =
  | { type: 'snapshot'; seq: number; run: unknown; questions: unknown }
  | { type: 'ops'; seq: number; ops: unknown }
  | { type: 'final'; seq: number; run: unknown; bundle: unknown };
