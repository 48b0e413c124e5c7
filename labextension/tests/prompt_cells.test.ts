import { markdown } from '@codemirror/lang-markdown';
import { python } from '@codemirror/lang-python';
import { ensureSyntaxTree } from '@codemirror/language';
import { EditorState } from '@codemirror/state';
import type { Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { KernelNames } from '../src/prompt/names';
import { PromptCells } from '../src/prompt/prompt_cells';

const views: EditorView[] = [];

function editor(doc: string, extension: Extension = []): EditorView {
  const view = new EditorView({ state: EditorState.create({ doc, extensions: [python(), extension] }), parent: document.body });
  views.push(view);
  return view;
}

function prompts(names: KernelNames | null = null): PromptCells {
  return new PromptCells(markdown(), () => names);
}

/** The names of all nodes of the syntax tree. */
function nodes(view: EditorView): string[] {
  const found: string[] = [];
  ensureSyntaxTree(view.state, view.state.doc.length, 5_000)?.iterate({ enter: ({ name }) => void found.push(name) });
  return found;
}

function type(view: EditorView, from: number, to: number, insert: string): void {
  view.dispatch({ changes: { from, to, insert } });
}

async function namesOfKernel(): Promise<KernelNames> {
  vi.useFakeTimers();
  const reply = { known: { sales: 'DataFrame', rows: 'list' }, meant: { slaes: 'sales' }, options: ['-s'] };
  const names = new KernelNames(() => Promise.resolve(reply));
  names.get('sales');
  names.get('slaes');
  await vi.runAllTimersAsync();
  vi.useRealTimers();
  return names;
}

afterEach(() => {
  views.splice(0).forEach(view => {
    view.destroy();
  });
  document.body.replaceChildren();
});

describe('a prompt', () => {
  it('is Markdown below its first line', () => {
    const source = '%%claude -s *a\n# Title\n\nsome *words*\n';
    const found = nodes(editor(source, prompts().extension(source)));
    expect(found.slice(0, 3)).toEqual(['Prompt', 'PromptHead', 'Document']);
    expect(found).toContain('ATXHeading1');
    expect(found.filter(name => name === 'Emphasis')).toHaveLength(1);
  });

  it('is not mixed up with its first line', () => {
    const source = '%%claude\n---\nwords';
    const found = nodes(editor(source, prompts().extension(source)));
    expect(found).toContain('HorizontalRule');
    expect(found).not.toContain('SetextHeading2');
  });

  it('follows every key, and is Python again without its first line', () => {
    const view = editor('%%claud\n# hi', prompts().extension('%%claud\n# hi'));
    expect(nodes(view)[0]).toBe('Script');
    type(view, 7, 7, 'e');
    expect(nodes(view)).toContain('ATXHeading1');
    expect(view.dom.classList.contains('claude-prompt')).toBe(true);
    type(view, view.state.doc.length, view.state.doc.length, '\n\n# more');
    expect(nodes(view).filter(name => name === 'ATXHeading1')).toHaveLength(2);
    type(view, 0, 9, '');
    expect(nodes(view)[0]).toBe('Script');
    expect(view.dom.classList.contains('claude-prompt')).toBe(false);
  });

  it('has colours of its own in the first line', () => {
    const source = '%%claude -s x\nhi';
    const view = editor(source, prompts().extension(source));
    const words = [...view.contentDOM.querySelectorAll('.claude-prompt-head span')].map(({ className, textContent }) => [
      className,
      textContent
    ]);
    expect(words).toEqual([
      ['claude-prompt-magic', '%%claude'],
      ['claude-prompt-option', '-s'],
      ['claude-prompt-value', 'x']
    ]);
  });

  it('shows which names and options there are', async () => {
    const source = '%%claude -s x --sesion y\n{sales} and {slaes} and `{sales}`';
    const view = editor(source, prompts(await namesOfKernel()).extension(source));
    const marked = (name: string): (string | null)[] =>
      [...view.contentDOM.querySelectorAll(name)].map(({ textContent }) => textContent);
    expect(marked('.claude-prompt-name')).toEqual(['{sales}']);
    expect(marked('.claude-prompt-misspelt')).toEqual(['--sesion', 'slaes']);
    view.contentDOM.querySelector<HTMLElement>('.claude-prompt-meant')?.click();
    expect(view.state.doc.toString()).toBe(source.replace('slaes', 'sales'));
    expect(marked('.claude-prompt-name')).toEqual(['{sales}', '{sales}']);
  });

  it('names its session beside the cell', async () => {
    const source = '%%claude -s analysis\nhi';
    const cell = document.body.appendChild(document.createElement('div'));
    cell.innerHTML = '<div class="jp-InputArea"><div class="jp-InputArea-prompt"></div></div>';
    const view = editor(source, prompts().extension(source));
    cell.firstElementChild?.append(view.dom);
    const beside = (): string | undefined => cell.querySelector<HTMLElement>('.jp-InputArea-prompt')?.dataset['claudeSession'];
    await vi.waitFor(() => {
      expect(beside()).toBe('analysis');
    });
    type(view, 12, 20, 'b');
    expect(beside()).toBe('b');
    type(view, 0, 2, '');
    expect(beside()).toBeUndefined();
  });
});

describe('a cell of Python', () => {
  const source = 'for x in {1, 2}:\n    print(f"{x}")  # %%claude';

  it('is what it is without us, byte by byte', () => {
    const plain = editor(source);
    const ours = editor(source, prompts().extension(source));
    type(plain, 0, 0, '# ');
    type(ours, 0, 0, '# ');
    expect(ours.dom.outerHTML.replaceAll(/ aria-describedby="[^"]*"/g, '')).toBe(plain.dom.outerHTML);
  });
});

describe('the switch', () => {
  it('makes prompts Python, and Markdown again', () => {
    const source = '%%claude\n# Title';
    const cells = prompts();
    const view = editor(source, cells.extension(source));
    cells.toggle(false);
    expect([nodes(view)[0], view.dom.classList.contains('claude-prompt')]).toEqual(['Script', false]);
    cells.toggle(true);
    expect(nodes(view)).toContain('ATXHeading1');
  });
});
