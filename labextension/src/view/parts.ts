/** One item of a run -> one piece of the view. */

import { seconds, visible } from '../text';
import type { GroupItem, Item, NoteItem, TextItem, ThinkingItem, ToolNode } from './items';
import { el, setText } from './dom';
import type { Piece } from './dom';
import { MarkdownText } from './markdown';
import type { ViewContext } from './view_context';
import { ToolCard, ToolGroup } from './tool';

/** Make the piece for an item; an item never changes its kind under one key. */
export function pieceFor(item: Item, context: ViewContext): Piece<Item> {
  switch (item.kind) {
    case 'text': {
      const text = new MarkdownText(context.host, () => context.isLive());
      return adapt(text, shown => (shown as TextItem).text);
    }
    case 'thinking':
      return adapt(new Thinking(context), shown => shown as ThinkingItem);
    case 'note':
      return adapt(new Note(), shown => shown as NoteItem);
    case 'tool':
      return adapt(new ToolCard(context), shown => shown as ToolNode);
    case 'group':
      return adapt(new ToolGroup(context, inner => pieceFor(inner, context)), shown => (shown as GroupItem).items);
  }
}

function adapt<Shown>(piece: Piece<Shown>, of: (item: Item) => Shown): Piece<Item> {
  return {
    node: piece.node,
    update: item => {
      piece.update(of(item));
    },
    dispose: () => {
      piece.dispose();
    }
  };
}

/** What the model thought, folded. */
class Thinking implements Piece<ThinkingItem> {
  readonly node = el('details', 'claude-thinking');

  constructor(private readonly _context: ViewContext) {
    this.node.append(el('summary', '', this._words), this._body);
    this.node.addEventListener('toggle', () => {
      this._draw();
    });
  }

  update(shown: ThinkingItem): void {
    this._text = shown.text;
    const goesOn = shown.isLast && this._context.isLive();
    this.node.classList.toggle('claude-thinks', goesOn);
    const took = shown.duration_s >= 0.05 ? ` for ${seconds(shown.duration_s)}` : '';
    setText(this._words, goesOn ? 'Thinking…' : `Thought${took}`);
    this._draw();
  }

  dispose(): void {
    this._text = '';
  }

  private _draw(): void {
    if (this.node.open) {
      setText(this._body, visible(this._text));
    }
  }

  private _text = '';
  private readonly _words = el('span', 'claude-words');
  private readonly _body = el('div', 'claude-thought');
}

/** A quiet line. */
class Note implements Piece<NoteItem> {
  readonly node = el('p', 'claude-note');

  update(shown: NoteItem): void {
    setText(this.node, visible(shown.text));
  }

  dispose(): void {
    this.node.remove();
  }
}
