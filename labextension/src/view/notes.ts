/** What is said of the prompt above its answer: what went in beside the typed words, piece by piece, and other notes. */

import type { Picture, SentValue } from '../protocol';
import type { RunState } from '../state';
import { count, oneLine, visible } from '../text';
import { button, el, KeyedChildren, setText, show } from './dom';
import type { Piece } from './dom';
import { pictureOf } from './output';

/** How notes begin that say in words what the pieces show. */
const OF_VALUES = /^(?:filled in|attached): /;
/** Such a line has several of them, and others. */
const BETWEEN = / · (?=left as typed: |attached: |→ )/;
const CHARACTERS_PER_TOKEN = 4;

export class PromptNotes implements Piece<RunState> {
  readonly node = el('div', 'claude-notes');

  constructor() {
    this._row.setAttribute('role', 'group');
    this._row.setAttribute('aria-label', 'What went into the prompt');
    this._text.tabIndex = 0;
    this.node.append(this._row, this._pictures, this._text, this._words);
  }

  update(run: RunState): void {
    const values = piecesOf(run);
    this._chips.update(values.map((value, at) => ({ key: `${at} ${value.label}`, shown: value })));
    const lines = run.filled.split('\n').filter(line => line !== '');
    setText(this._words, visible(lines.map(line => (values.length > 0 ? withoutValues(line) : line)).join('\n').trim()));
    show(this._row, values.length > 0);
    show(this._words, this._words.textContent !== '');
    show(this.node, values.length > 0 || lines.length > 0);
    this._showOpen();
  }

  dispose(): void {
    this._chips.dispose();
  }

  /** One piece is open at a time. */
  private _toggle(chip: Chip): void {
    this._open = this._open === chip ? null : chip;
    this._showOpen();
  }

  private _showOpen(): void {
    this._made.forEach(chip => {
      chip.node.setAttribute('aria-expanded', String(chip === this._open));
    });
    setText(this._text, visible(this._open?.value?.text ?? ''));
    const pictures = this._open?.value?.pictures ?? [];
    if (pictures !== this._shown) {
      this._shown = pictures;
      this._pictures.replaceChildren(...pictures.map(pictureOf));
    }
    show(this._pictures, pictures.length > 0);
    show(this._text, this._open !== null);
  }

  private readonly _row = el('div', 'claude-pieces');
  private readonly _text = el('pre', 'claude-plain claude-piece-text');
  private readonly _pictures = el('div', 'claude-piece-pictures');
  private readonly _words = el('p', 'claude-note');
  private readonly _made = new Set<Chip>();
  private _open: Chip | null = null;
  private _shown: readonly Picture[] = [];
  private readonly _chips = new KeyedChildren<SentValue>(this._row, () => {
    const chip = new Chip(() => {
      this._toggle(chip);
    });
    this._made.add(chip);
    return chip;
  });
}

/** One piece of the prompt; a click shows its text. */
class Chip implements Piece<SentValue> {
  readonly node: HTMLButtonElement;
  value: SentValue | null = null;

  constructor(onClick: () => void) {
    this.node = button('', 'claude-piece', onClick);
    this.node.append(this._thumbnails, this._label, this._what);
  }

  update(value: SentValue): void {
    const { label, words, tokens, pictures } = value;
    if (this.value?.pictures.length !== pictures.length) {
      this._thumbnails.replaceChildren(...pictures.filter(({ data }) => data !== '').map(pictureOf));
      show(this._thumbnails, this._thumbnails.childElementCount > 0);
    }
    this.value = value;
    setText(this._label, oneLine(label, 60));
    const what = words.startsWith(`${label} (`) ? words.slice(label.length + 2, -1) : words;
    setText(this._what, [oneLine(what, 60), `≈ ${count(tokens)} tokens`].filter(Boolean).join(' · '));
    this.node.title = 'Show the text that was sent';
  }

  dispose(): void {
    this.node.remove();
  }

  private readonly _label = el('span', 'claude-piece-label');
  private readonly _what = el('span');
  private readonly _thumbnails = el('span', 'claude-piece-thumbnails');
}

/** The pieces of a prompt, and last the whole of it; runs that were stored by an earlier version say only the whole. */
function piecesOf({ sent, prompt, filled }: RunState): readonly SentValue[] {
  const hasValues = sent.length > 0 || filled.split('\n').some(line => OF_VALUES.test(line));
  if (!hasValues || prompt === '') {
    return sent;
  }
  const tokens = Math.ceil(prompt.length / CHARACTERS_PER_TOKEN);
  return [...sent, { label: 'Whole prompt', words: '', tokens, text: prompt, pictures: [] }];
}

/** A note without what the pieces say. */
function withoutValues(line: string): string {
  const parts = OF_VALUES.test(line) ? line.split(BETWEEN) : [line];
  return parts.filter(part => !OF_VALUES.test(part)).join(' · ');
}
