/** The parts of a run in the order and nesting in which they are shown. Pure. */

import type { Part, ToolPart } from '../protocol';
import { isAgent, isOver } from '../tools';
import type { Keyed } from './dom';

/** A tool use with those of its subagent. */
export interface ToolNode {
  readonly kind: 'tool';
  readonly tool: ToolPart;
  readonly children: readonly ToolNode[];
  /** Whether this is the newest list of things to do, which is shown in full. */
  readonly isNewestTodo: boolean;
}

export interface TextItem {
  readonly kind: 'text';
  readonly text: string;
}

export interface ThinkingItem {
  readonly kind: 'thinking';
  readonly text: string;
  readonly duration_s: number;
  /** Whether it is the last part so far. */
  readonly isLast: boolean;
}

export interface NoteItem {
  readonly kind: 'note';
  readonly text: string;
}

/** Many finished tool uses in a row. */
export interface GroupItem {
  readonly kind: 'group';
  readonly items: readonly Keyed<Item>[];
}

/** A stretch of a run. */
export interface SectionItem {
  readonly items: readonly Keyed<Item>[];
  readonly isFirst: boolean;
  /** Whether it is the last one or the one before, which together fill any window. */
  readonly isEnd: boolean;
  /** How much is in it, in characters; a tool use or a note counts as much as a line. */
  readonly size: number;
}

export type Item = TextItem | ThinkingItem | NoteItem | ToolNode | GroupItem;

const FEWEST_FOLDED = 8;
const LEFT_OPEN = 3; // the newest tool uses of a row stay in sight

/** Return the top-level items, each under a key that stays while the run grows. */
export function arrange(parts: readonly Part[]): Keyed<Item>[] {
  return foldRows(nest(parts));
}

const SECTION_CHARACTERS = 8_000;
const LINE_CHARACTERS = 300; // a tool use or a note counts as much text

/**
 * Divide the items of a run into stretches of bearable length; there is at least one.
 *
 * Where a stretch ends depends only on what is before it, so a growing run changes its last stretches only.
 */
export function divide(items: readonly Keyed<Item>[]): Keyed<SectionItem>[] {
  const stretches: { items: Keyed<Item>[]; size: number }[] = [{ items: [], size: 0 }];
  for (const item of items) {
    let last = stretches[stretches.length - 1];
    if (last === undefined || last.size >= SECTION_CHARACTERS) {
      last = { items: [], size: 0 };
      stretches.push(last);
    }
    last.items.push(item);
    last.size += item.shown.kind === 'text' ? item.shown.text.length : LINE_CHARACTERS;
  }
  return stretches.map(({ items: inside, size }, at) => ({
    key: String(at),
    shown: {
      items: inside,
      isFirst: at === 0,
      isEnd: at >= stretches.length - 2,
      size
    }
  }));
}

interface Growing extends ToolNode {
  readonly children: Growing[];
}

function nest(parts: readonly Part[]): Keyed<Item>[] {
  const tools = new Map<string, Growing>();
  const items: Keyed<Item>[] = [];
  const counts = { text: 0, thinking: 0, note: 0, tool: 0 };
  const newest = parts.findLastIndex(part => part.type === 'tool' && part.todos.length > 0);
  parts.forEach((part, index) => {
    const ordinal = counts[part.type]++;
    if (part.type !== 'tool') {
      const shown = plainItem(part, index === parts.length - 1);
      if (shown !== null) {
        items.push({ key: `${part.type} ${ordinal}`, shown });
      }
      return;
    }
    const node: Growing = { kind: 'tool', tool: part, children: [], isNewestTodo: index === newest };
    const owner = part.parent ? tools.get(part.parent) : undefined;
    const isNew = part.id !== '' && !tools.has(part.id);
    if (isNew) {
      tools.set(part.id, node);
    }
    if (owner !== undefined && owner !== node) {
      owner.children.push(node);
    } else {
      items.push({ key: isNew ? `tool ${part.id}` : `tool number ${ordinal}`, shown: node });
    }
  });
  return items;
}

function plainItem(part: Exclude<Part, ToolPart>, isLast: boolean): Item | null {
  if (part.text === '') {
    return null;
  }
  return part.type === 'thinking'
    ? { kind: 'thinking', text: part.text, duration_s: part.duration_s, isLast }
    : { kind: part.type, text: part.text };
}

/** Fold the older ones of many finished tool uses in a row; thoughts between them belong to the row. */
function foldRows(items: Keyed<Item>[]): Keyed<Item>[] {
  const shown: Keyed<Item>[] = [];
  let row: Keyed<Item>[] = [];
  const settle = (): void => {
    shown.push(...foldRow(row));
    row = [];
  };
  for (const item of items) {
    if (isFoldable(item.shown)) {
      row.push(item);
    } else {
      settle();
      shown.push(item);
    }
  }
  settle();
  return shown;
}

function isFoldable(item: Item): boolean {
  if (item.kind === 'thinking') {
    return true;
  }
  return item.kind === 'tool' && isOver(item.tool.state) && !item.isNewestTodo && !isAgent(item.tool);
}

function foldRow(row: Keyed<Item>[]): Keyed<Item>[] {
  const first = row.findIndex(item => item.shown.kind === 'tool');
  const tools = row.flatMap((item, at) => (item.shown.kind === 'tool' ? [at] : []));
  const last = tools[tools.length - 1 - LEFT_OPEN];
  if (first === -1 || last === undefined || tools.length - LEFT_OPEN < FEWEST_FOLDED) {
    return row;
  }
  const inside = row.slice(first, last + 1);
  const group: Keyed<Item> = { key: `group ${inside[0]?.key ?? ''}`, shown: { kind: 'group', items: inside } };
  return [...row.slice(0, first), group, ...row.slice(last + 1)];
}

/** Return how many tool uses a subagent made, its own subagents' included. */
export function countNested(node: ToolNode): number {
  return node.children.reduce((sum, child) => sum + 1 + countNested(child), 0);
}
