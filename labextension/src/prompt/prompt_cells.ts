/**
 * The cell of a prompt in the editor: Markdown below a first line with colours of its own, and marks on `{names}`.
 *
 * A cell that is not a prompt gets nothing from here: no class, no decoration, no language.
 */

import { Language, LanguageSupport, defineLanguageFacet, languageDataProp } from '@codemirror/language';
import { Compartment, EditorState, Prec, StateEffect, StateField } from '@codemirror/state';
import type { Extension, Range, Text } from '@codemirror/state';
import { Decoration, EditorView, ViewPlugin, WidgetType } from '@codemirror/view';
import type { DecorationSet, PluginValue, ViewUpdate } from '@codemirror/view';

import { button } from '../view/dom';
import type { KernelNames } from './names';
import { PromptParser } from './prompt_parser';
import { LONGEST_HEAD, braces, promptHead } from './prompt_text';
import type { Braces, HeadWord, PromptHead } from './prompt_text';

/** A longer prompt is shown without marks on its names. */
const LONGEST_MARKED = 200_000;

/** Finds the names of the kernel that runs the cell of an editor; `null` where there is no kernel. */
export type NamesOf = (editor: HTMLElement) => KernelNames | null;

/** Prompts in all editors of the page. */
export class PromptCells {
  /**
   * @param markdown - the Markdown of the page's notebooks.
   * @param namesOf - finds the kernel's names.
   */
  constructor(markdown: LanguageSupport, namesOf: NamesOf) {
    const facet = defineLanguageFacet();
    const ofTop = languageDataProp.add(type => (type.isTop ? facet : undefined));
    const language = new Language(facet, new PromptParser(markdown.language.parser, ofTop), [], 'claude-prompt');
    // The first language of an editor is the one that counts. Prose is read in lines that wrap.
    const support = [Prec.highest(new LanguageSupport(language, markdown.support)), EditorView.lineWrapping];
    const marks = ViewPlugin.define(view => new Marks(view, namesOf), { decorations: one => one.decorations });
    this._whole = isPrompt => [followHead(support, isPrompt), tint, marks];
  }

  /** Return what an editor gets. */
  extension(source: string): Extension {
    const views = ViewPlugin.define(view => {
      this._views.add(view);
      return { destroy: () => this._views.delete(view) };
    });
    const isPrompt = promptHead(source.slice(0, LONGEST_HEAD)) !== null;
    return [headField, views, this._switch.of(this._isOn ? this._whole(isPrompt) : [])];
  }

  /** Switch it on or off in all editors. */
  toggle(on: boolean): void {
    if (on !== this._isOn) {
      this._isOn = on;
      for (const view of this._views) {
        view.dispatch({ effects: this._switch.reconfigure(on ? this._whole(isPrompt(view.state)) : []) });
      }
    }
  }

  /** Kernels have come or gone. */
  refresh(): void {
    for (const view of this._views) {
      if (isPrompt(view.state)) {
        view.dispatch({ effects: namesChanged.of(null) });
      }
    }
  }

  private _isOn = true;
  private readonly _switch = new Compartment();
  private readonly _views = new Set<EditorView>();
  private readonly _whole: (isPrompt: boolean) => Extension;
}

const namesChanged = StateEffect.define();

function headOf(doc: Text): PromptHead | null {
  return promptHead(doc.sliceString(0, LONGEST_HEAD));
}

function isPrompt(state: EditorState): boolean {
  return state.field(headField) !== null;
}

/** The first line of the prompt; `null` where the cell is not one. */
const headField = StateField.define<PromptHead | null>({
  create: state => headOf(state.doc),
  update: (head, { docChanged, changes, newDoc }) => {
    if (!docChanged) {
      return head;
    }
    const isBelow = head !== null && changes.touchesRange(0, head.to) === false;
    return isBelow ? head : headOf(newDoc);
  }
});

/** The language is that of the prompt as long as the cell is one. */
function followHead(support: Extension, isPromptNow: boolean): Extension {
  const language = new Compartment();
  return [
    language.of(isPromptNow ? support : []),
    EditorState.transactionExtender.of(transaction => {
      const is = transaction.docChanged && headOf(transaction.newDoc) !== null;
      const changes = transaction.docChanged && is !== isPrompt(transaction.startState);
      return changes ? { effects: language.reconfigure(is ? support : []) } : null;
    })
  ];
}

const tint = EditorView.editorAttributes.compute([headField], state => (isPrompt(state) ? { class: 'claude-prompt' } : {}));

const headLine = Decoration.line({ class: 'claude-prompt-head' });
const knownName = (kind: string): Decoration => Decoration.mark({ class: 'claude-prompt-name', attributes: { title: kind } });
const misspelt = (root: string, meant: string): Decoration =>
  Decoration.mark({
    class: 'claude-prompt-misspelt',
    attributes: { title: `There is no variable ${root}. Did you mean ${meant}?` }
  });

/** The colours of the first line and of names, and the name of the session beside the cell. */
class Marks implements PluginValue {
  decorations: DecorationSet = Decoration.none;

  constructor(
    private readonly _view: EditorView,
    private readonly _namesOf: NamesOf
  ) {
    this._draw();
    // The editor is not in its cell yet.
    _view.requestMeasure({
      read: () => {
        this._badge();
      }
    });
  }

  update(update: ViewUpdate): void {
    const told = update.transactions.some(({ effects }) => effects.some(effect => effect.is(namesChanged)));
    const moved = (update.selectionSet || update.focusChanged) && this._found.length > 0;
    const isNew = update.geometryChanged && this._names === null;
    if (update.docChanged || update.viewportChanged || told || moved || isNew) {
      this._draw();
    }
    this._badge();
  }

  destroy(): void {
    this._follow(null);
    this._showSession('');
  }

  private _draw(): void {
    const { state } = this._view;
    const head = state.field(headField);
    if (head === null) {
      this._found = [];
      this._follow(null);
      this.decorations = Decoration.none;
      return;
    }
    this._follow(this._namesOf(this._view.dom));
    this._names?.wantOptions();
    this.decorations = Decoration.set([...this._ofHead(head), ...this._ofNames(head)], true);
  }

  private *_ofHead(head: PromptHead): Generator<Range<Decoration>> {
    const { doc } = this._view.state;
    for (let at = 0; at <= head.to; at = doc.lineAt(at).to + 1) {
      yield headLine.range(at);
    }
    for (const word of head.words) {
      yield this._ofWord(word).range(word.from, word.to);
    }
  }

  private _ofWord({ kind, text }: HeadWord): Decoration {
    const options = this._names?.options ?? null;
    if (kind === 'option' && options !== null && !options.has(text)) {
      return Decoration.mark({ class: 'claude-prompt-misspelt', attributes: { title: `There is no option ${text}.` } });
    }
    return Decoration.mark({ class: `claude-prompt-${kind}` });
  }

  private *_ofNames(head: PromptHead): Generator<Range<Decoration>> {
    const { doc, selection } = this._view.state;
    if (doc !== this._doc) {
      this._doc = doc;
      const isShort = doc.length <= LONGEST_MARKED && !head.words.some(({ text }) => text === '--raw');
      this._found = isShort ? braces(doc.sliceString(head.to)) : [];
    }
    const caret = this._view.hasFocus ? selection.main.head - head.to : -1;
    for (const one of this._found) {
      const from = head.to + one.rootFrom;
      const isVisible = this._view.visibleRanges.some(range => range.from <= from && from <= range.to);
      if (isVisible) {
        yield* this._ofBraces(one, head.to, one.from < caret && caret <= one.to);
      }
    }
  }

  private *_ofBraces({ from, to, root, rootFrom, isTex }: Braces, start: number, isTyped: boolean): Generator<Range<Decoration>> {
    const state = this._names?.get(root) ?? null;
    if (state === null) {
      return;
    }
    if (state.kind !== '') {
      yield knownName(state.kind).range(start + from, start + to);
    } else if (state.meant !== '' && !isTex && !isTyped) {
      const begin = start + rootFrom;
      const end = begin + root.length;
      yield misspelt(root, state.meant).range(begin, end);
      yield Decoration.widget({ widget: new Meant(root, state.meant), side: 1 }).range(start + to);
    }
  }

  private _follow(names: KernelNames | null): void {
    if (names !== this._names) {
      this._names?.watchers.delete(this._onNames);
      names?.watchers.add(this._onNames);
      this._names = names;
    }
  }

  private _badge(): void {
    this._showSession(this._view.state.field(headField)?.session ?? '');
  }

  /** The name stands beside the cell, below its number. */
  private _showSession(session: string): void {
    if (session !== this._session || (this._prompt === null && session !== '')) {
      this._prompt ??= this._view.dom.closest('.jp-InputArea')?.querySelector<HTMLElement>('.jp-InputArea-prompt') ?? null;
      if (this._prompt !== null) {
        this._session = session;
        if (session === '') {
          delete this._prompt.dataset['claudeSession'];
        } else {
          this._prompt.dataset['claudeSession'] = session;
        }
      }
    }
  }

  private readonly _onNames = (): void => {
    this._view.dispatch({ effects: namesChanged.of(null) });
  };

  private _names: KernelNames | null = null;
  private _doc: Text | null = null;
  private _found: readonly Braces[] = [];
  private _session = '';
  private _prompt: HTMLElement | null = null;
}

/** The name that was probably meant, after the one that was typed; a click writes it. */
class Meant extends WidgetType {
  constructor(
    private readonly _typed: string,
    private readonly _meant: string
  ) {
    super();
  }

  override eq(other: Meant): boolean {
    return other._typed === this._typed && other._meant === this._meant;
  }

  override toDOM(view: EditorView): HTMLElement {
    const write = button(`${this._meant}?`, 'claude-prompt-meant', () => {
      const end = view.posAtDOM(write);
      const text = view.state.doc.sliceString(0, end);
      const from = text.lastIndexOf(this._typed);
      if (from !== -1) {
        view.dispatch({ changes: { from, to: from + this._typed.length, insert: this._meant }, userEvent: 'input.complete' });
        view.focus();
      }
    });
    write.setAttribute('aria-label', `Write ${this._meant} instead of ${this._typed}`);
    return write;
  }
}
