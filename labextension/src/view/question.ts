/**
 * The CLI asks, a person answers: permission for a tool, approval of a plan, or a form with the model's own questions.
 *
 * Only questions of the kernel are drawn here. An answer needs a real click or key, a moment after the card appeared, so
 * that a click that was meant for something else does not count.
 */

import type { Action, Question } from '../protocol';
import { highlight } from '../highlight';
import { oneLine, visible } from '../text';
import { codeInput, toolTitle } from '../tools';
import { button, el, setText } from './dom';
import type { Piece } from './dom';
import { readForm } from './form';
import type { Form } from './form';
import type { Answer, Proposal } from './host';
import { MarkdownText } from './markdown';
import type { ViewContext } from './view_context';
import { toolInput } from './tool';

const READY_AFTER_MS = 350;
const FILE_FIELDS = ['file_path', 'notebook_path'];
const CHARACTERS_IN_A_ROW = 72;
const MOST_ROWS = 16;
let numbered = 0;

export class QuestionCard implements Piece<Question> {
  readonly node = el('section', 'claude-ask');

  constructor(
    question: Question,
    private readonly _context: ViewContext
  ) {
    this._question = question;
    const title = el('h4', 'claude-ask-title', oneLine(question.title || `Use ${toolTitle(question.tool)}?`));
    title.id = `claude-question-${++numbered}`;
    this.node.setAttribute('aria-labelledby', title.id);
    this.node.append(title);
    if (question.kind === 'questions') {
      this._drawForm();
    } else if (question.kind === 'plan') {
      this._drawPlan();
    } else {
      this._drawPermission();
    }
    this._said.setAttribute('role', 'status');
    this.node.append(this._said);
    this._setEnabled(false);
    this._ready = setTimeout(() => {
      this._setEnabled(true);
    }, READY_AFTER_MS);
  }

  /** A question does not change; but its cell may be on the page only now. */
  update(): void {
    this._propose();
  }

  dispose(): void {
    clearTimeout(this._ready);
    this._proposal?.dispose();
    this._plan?.dispose();
    const run = this.node.closest<HTMLElement>('.claude-run');
    const hasFocus = this.node.contains(document.activeElement);
    if (run !== null && (hasFocus || (this._hadFocus && document.activeElement === document.body))) {
      // Who answered by keys goes on from here, and not from the top of the page.
      run.tabIndex = -1;
      run.focus({ preventScroll: true });
    }
  }

  private _drawPermission(): void {
    const { tool, input, editable } = this._question;
    const value = input[editable];
    const isEditable = editable !== '' && typeof value === 'string';
    this.node.append(this._hint(isEditable ? editable : ''));
    if (isEditable) {
      this._drawEditor(editable, value);
    }
    this.node.append(...toolInput({ name: tool, input, result: '', patch: this._question.patch }, [editable, ...FILE_FIELDS]));
    const row = el('div', 'claude-row');
    row.append(this._button('Allow', 'claude-main', () => this._allow('allow')));
    row.append(...this._drawGrants());
    row.append(...this._drawDenial('Deny', 'or say what to do instead', true));
    this.node.append(row);
    this._row = row;
  }

  /** A change of a cell is shown there as well, and can be answered there. */
  private _propose(): void {
    const { tool, input } = this._question;
    const { host } = this._context;
    const [cell, source] = [input['cell_id'], input['source']];
    const isEdit = tool === 'mcp__kernel__edit_cell' && typeof source === 'string';
    if (this._proposal !== null || host.propose === null || typeof cell !== 'string' || !(isEdit || tool === 'mcp__kernel__delete_cell')) {
      return;
    }
    const answerer = (label: string, action: () => Action) => (event: Event) => {
      if (host.trusts(event)) {
        void this._send(action(), label);
      }
    };
    this._proposal = host.propose(cell, isEdit ? source : null, {
      accept: answerer('Allow', () => this._allow('allow')),
      reject: answerer('Deny', () => ({ action: 'answer', decision: 'deny' }))
    });
    if (this._proposal !== null) {
      this._proposal.setEnabled(this._isEnabled);
      const reveal = button('Show it in its cell', 'claude-quiet', () => {
        this._proposal?.reveal();
      });
      this._row?.append(reveal);
    }
  }

  /** One button for what is granted most likely; what else can be granted stands in a menu beside it. */
  private _drawGrants(): HTMLElement[] {
    const [first, ...others] = this._question.grants.map((words, number) => {
      const grant = this._button('Allow for this session: ', 'claude-grant', () => this._allow('session', number));
      grant.append(el('code', '', oneLine(words, 48)));
      grant.title = visible(words);
      return grant;
    });
    if (first === undefined) {
      return [];
    }
    if (others.length === 0) {
      return [first];
    }
    const summary = el('summary', 'claude-button claude-more', '▾');
    summary.setAttribute('aria-label', 'Other things to allow for this session');
    const menu = el('details', 'claude-menu', summary, el('div', 'claude-menu-items', ...others));
    menu.addEventListener('keydown', event => {
      if (event.key === 'Escape' && menu.open) {
        event.preventDefault();
        event.stopPropagation(); // it closes the menu, and denies nothing
        menu.open = false;
        summary.focus({ preventScroll: true });
      }
    });
    return [el('span', 'claude-split', first, menu)];
  }

  /** The whole plan as it will be followed, and what may come of it. */
  private _drawPlan(): void {
    const { plan } = this._question;
    if (plan.trim() === '') {
      this.node.append(el('p', 'claude-hint', 'Claude has written no plan.'));
    } else {
      this._plan = new MarkdownText(this._context.host, () => false);
      this._plan.node.classList.add('claude-plan');
      this._plan.update(plan);
      this.node.append(this._plan.node);
    }
    this.node.append(
      el(
        'div',
        'claude-row',
        this._button('Go ahead', 'claude-main', () => ({ action: 'answer', decision: 'allow' })),
        this._button('Go ahead, edits without asking', '', () => ({ action: 'answer', decision: 'edits' })),
        ...this._drawDenial('Keep planning', 'or say what to change', false)
      )
    );
  }

  /** A refusal with words beside it: Enter in them sends. Escape leaves a field, and elsewhere in the card refuses. */
  private _drawDenial(label: string, hint: string, canStop: boolean): HTMLElement[] {
    const words = el('input', 'claude-editor claude-reason');
    words.type = 'text';
    words.placeholder = `… ${hint}`;
    words.setAttribute('aria-label', `${label}, ${hint}: Claude is told`);
    const answer = (stop: boolean): Action => {
      const reason = words.value.trim();
      return { action: 'answer', decision: 'deny', ...(reason ? { reason } : {}), ...(stop ? { stop } : {}) };
    };
    const refuse = this._button(label, '', () => answer(false));
    this.node.addEventListener('keydown', event => {
      const isSent = event.key === 'Enter' && event.target === words;
      if ((isSent || event.key === 'Escape') && !event.isComposing && this._context.host.trusts(event)) {
        event.preventDefault();
        event.stopPropagation(); // to the notebook it would mean something else
        if (!isSent && (event.target === words || event.target === this._editor)) {
          this.node.tabIndex = -1;
          this.node.focus({ preventScroll: true });
        } else if (!refuse.disabled) {
          void this._send(answer(false), label);
        }
      }
    });
    const stop = canStop ? [this._button('Deny and stop', 'claude-quiet', () => answer(true))] : [];
    return [refuse, words, ...stop];
  }

  private _hint(editable: string): HTMLElement {
    const words = [toolTitle(this._question.tool)];
    const description = this._question.input['description'];
    if (this._question.tool === 'Bash' && typeof description === 'string') {
      words.push(oneLine(description, 300));
    }
    const purpose = this._question.input['purpose'];
    if (codeInput({ name: this._question.tool, input: this._question.input }) !== null && typeof purpose === 'string' && purpose !== '') {
      words.push(oneLine(purpose, 300));
    }
    const file = FILE_FIELDS.map(name => this._question.input[name]).find(value => typeof value === 'string');
    if (typeof file === 'string') {
      words.push(oneLine(file, 300));
    }
    if (editable) {
      words.push(`you may edit the ${editable}`);
    }
    return el('p', 'claude-hint', words.join(' · '));
  }

  private _drawEditor(field: string, value: string): void {
    const editor = el('textarea', 'claude-editor');
    editor.value = value;
    editor.rows = rowsOf(value);
    editor.spellcheck = false;
    editor.setAttribute('aria-label', `The ${field} that would be used; you may edit it`);
    editor.addEventListener('input', () => {
      editor.rows = rowsOf(editor.value);
    });
    this._editor = editor;
    const honest = visible(value);
    if (honest !== value) {
      const warning = el('p', 'claude-warning', 'It contains characters that do not show. With them made visible:');
      this.node.append(warning, el('pre', 'claude-plain', honest));
    }
    const code = codeInput({ name: this._question.tool, input: this._question.input });
    this.node.append(code === null ? editor : coloured(editor, code.language));
  }

  private _drawForm(): void {
    const form = readForm(this._question.input, `${this._question.id}-${numbered}`);
    this._form = form;
    this.node.append(
      form.node,
      el(
        'div',
        'claude-row',
        this._button('Send answers', 'claude-main', () => this._answerForm()),
        this._button('Skip', '', () => ({ action: 'answer', decision: 'deny', reason: 'The user skipped the questions.' }))
      )
    );
  }

  private _answerForm(): Action | null {
    const answers = this._form?.answers() ?? null;
    if (answers === null) {
      setText(this._said, 'Please answer every question, or skip.');
      return null;
    }
    return { action: 'answer', decision: 'allow', input: { ...this._question.input, answers } };
  }

  private _allow(decision: 'allow' | 'session', grant?: number): Action {
    const { input, editable, tool } = this._question;
    const field = tool === 'mcp__kernel__edit_cell' ? 'source' : editable;
    const edited = field === editable ? this._editor?.value : this._proposal?.source;
    const changed = edited !== undefined && edited !== input[field];
    return {
      action: 'answer',
      decision,
      ...(grant !== undefined ? { grant } : {}),
      ...(changed ? { input: { ...input, [field]: edited } } : {})
    };
  }

  private _button(label: string, className: string, answer: () => Action | null): HTMLButtonElement {
    const element = button(label, className, event => {
      if (this._context.host.trusts(event) && !element.disabled) {
        const action = answer();
        if (action !== null) {
          void this._send(action, label.replace(/: $/, ''));
        }
      }
    });
    this._buttons.push(element);
    return element;
  }

  private async _send(action: Action, label: string): Promise<void> {
    const { id, token } = this._question;
    const pressed = document.activeElement;
    this._hadFocus = this.node.contains(pressed); // a button that cannot be pressed has no focus either
    this._setEnabled(false);
    setText(this._said, `${label}: sent`);
    const request = this._context.host.request;
    const answer: Answer = request === null ? 'unreachable' : await request({ ...action, question: id, token });
    if (answer === 'done') {
      return;
    }
    if (answer === 'unknown') {
      setText(this._said, 'This was answered elsewhere, or the run is over.');
      return;
    }
    setText(this._said, 'The kernel could not be reached. You may try again.');
    this._setEnabled(true);
    if (this._hadFocus && pressed instanceof HTMLElement) {
      pressed.focus({ preventScroll: true });
    }
  }

  private _setEnabled(enabled: boolean): void {
    this._isEnabled = enabled;
    this._proposal?.setEnabled(enabled);
    for (const element of this._buttons) {
      element.disabled = !enabled;
    }
  }

  private readonly _question: Question;
  private readonly _ready: ReturnType<typeof setTimeout>;
  private _editor: HTMLTextAreaElement | null = null;
  private _isEnabled = false;
  private _row: HTMLElement | null = null;
  private _proposal: Proposal | null = null;
  private _form: Form | null = null;
  private _plan: MarkdownText | null = null;
  private _hadFocus = false;
  private readonly _buttons: HTMLButtonElement[] = [];
  private readonly _said = el('p', 'claude-hint');
}

/** A field whose code is coloured: its own text is transparent, and the same text lies below it in colours. */
function coloured(editor: HTMLTextAreaElement, language: string): HTMLElement {
  const colours = el('pre', 'claude-colours');
  colours.setAttribute('aria-hidden', 'true');
  const draw = (): void => {
    // A last line that is empty takes room in the field, and in the other only with something behind it.
    colours.textContent = `${editor.value}\n`;
    highlight(colours, language);
    colours.scrollTop = editor.scrollTop;
  };
  editor.addEventListener('input', draw);
  editor.addEventListener('scroll', () => {
    colours.scrollTop = editor.scrollTop;
  });
  draw();
  return el('div', 'claude-code-editor', colours, editor);
}

/** How many rows show the whole text, about; where browsers can, they size the field themselves. */
function rowsOf(text: string): number {
  const rows = text.split('\n').map(line => Math.max(1, Math.ceil(line.length / CHARACTERS_IN_A_ROW)));
  return Math.min(MOST_ROWS, rows.reduce((sum, row) => sum + row, 0));
}
