/** The plugin that shows a proposed change of a cell in the cell; CodeMirror is not shared by every front end. */

import { unifiedMergeView } from '@codemirror/merge';
import { language } from '@codemirror/language';
import { EditorState } from '@codemirror/state';
import type { Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { Cell } from '@jupyterlab/cells';
import { CodeMirrorEditor, jupyterTheme } from '@jupyterlab/codemirror';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { indexOfCell } from './cells';
import { IOutputLocations } from './output_locations';
import type { OutputLocations } from './output_locations';
import { button, el } from './view/dom';
import type { Proposal, ProposedAnswer } from './view/host';

const PROPOSED = 'claude-proposed';
const DELETED = 'claude-proposed-deletion';

const proposals: JupyterFrontEndPlugin<void> = {
  id: 'claude-magic:proposals',
  description: 'Shows a change that Claude proposes in the cell that it would change.',
  autoStart: true,
  requires: [IOutputLocations],
  activate: (_: JupyterFrontEnd, locations: OutputLocations) => {
    locations.proposer = showProposal;
  }
};

/**
 * Show a proposed change in its cell until it is disposed: in place of the editor a difference, whose parts can be
 * rejected one by one, and which may be edited. The cell itself is not touched.
 *
 * @param source - the source that the cell would get; `null` to delete it.
 * @returns `null` where there is no such cell.
 */
function showProposal(panel: NotebookPanel, cellId: string, source: string | null, answer: ProposedAnswer): Proposal | null {
  const cell = panel.content.widgets[indexOfCell(panel, cellId)];
  if (cell === undefined || panel.content.model?.readOnly === true || cell.node.classList.contains(PROPOSED)) {
    return null;
  }
  const editor = source === null ? null : new EditorView({ state: differenceState(cell, source) });
  const buttons = [button('Accept', 'claude-main', answer.accept), button('Reject', '', answer.reject)];
  const setEnabled = (enabled: boolean): void => {
    for (const one of buttons) {
      one.disabled = !enabled;
    }
  };
  setEnabled(false);
  const node = el('div', 'claude-proposal', el('div', 'claude-proposal-bar', el('span', '', wordsFor(source)), ...buttons));
  node.setAttribute('role', 'group');
  node.setAttribute('aria-label', 'Proposed by Claude');
  node.dataset['lmSuppressShortcuts'] = 'true'; // Shift+Enter here must not run the cell as it is
  if (editor !== null) {
    node.append(editor.dom);
  }
  const className = source === null ? DELETED : PROPOSED;
  cell.node.classList.add(className);
  cell.node.insertBefore(node, cell.node.querySelector(':scope > .jp-Cell-outputWrapper'));
  return {
    get source() {
      return editor === null ? '' : editor.state.doc.toString();
    },
    setEnabled,
    reveal: () => {
      const index = indexOfCell(panel, cellId);
      if (index !== -1) {
        void panel.content.scrollToItem(index, 'center').catch(() => undefined);
      }
    },
    dispose: () => {
      editor?.destroy();
      node.remove();
      cell.node.classList.remove(className);
    }
  };
}

function wordsFor(source: string | null): string {
  return source === null
    ? 'Claude proposes to delete this cell.'
    : 'Claude proposes this change. Reject parts of it, or edit it.';
}

function differenceState(cell: Cell, source: string): EditorState {
  const extensions: Extension[] = [
    jupyterTheme,
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ 'aria-label': 'The source as Claude proposes it; you may edit it' }),
    unifiedMergeView({ original: cell.model.sharedModel.getSource(), mergeControls: partControl })
  ];
  const spoken = cell.editor instanceof CodeMirrorEditor ? cell.editor.editor.state.facet(language) : null;
  if (spoken !== null) {
    extensions.push(spoken.extension);
  }
  return EditorState.create({ doc: source, extensions });
}

/** Only rejecting needs a button at each part: what is not rejected is accepted with the whole. */
function partControl(kind: 'accept' | 'reject', action: (event: MouseEvent) => void): HTMLElement {
  if (kind === 'accept') {
    return el('span');
  }
  const control = button('Reject this part', 'claude-quiet', () => undefined);
  control.addEventListener('mousedown', action);
  return control;
}

export default proposals;
