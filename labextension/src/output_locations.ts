/** Where an output stands: in which notebook or console, at which kernel, below which cell. */

import type { IConsoleTracker } from '@jupyterlab/console';
import { NotebookActions } from '@jupyterlab/notebook';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { Contents, Kernel } from '@jupyterlab/services';
import { Token } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

import type { Asked } from './attention';
import { indexOfCell, insertBelow, isOnlyAPrompt, promptCell } from './cells';
import type { NewCell } from './cells';
import { KernelConnection } from './connection';
import { tellOfChange } from './file_changes';
import { handleCells } from './notebook_cells';
import { MIME_TYPE, VERSION } from './protocol';
import type { CellsReply, CellsRequest } from './protocol';
import { saveInTurn, saveSoon } from './saving';
import { fromData } from './state';
import type { Proposal, Propose } from './view/host';

export interface OutputLocation {
  /**
   * Save its notebook, so that another page finds the run in it. Only the page that ran the cell does: several windows
   * that saved the same notebook at once would each meet a file that the other has changed.
   */
  readonly save: () => void;
  /** Its run is over: tell the person if another program has changed the notebook's file meanwhile. */
  readonly tellOfChange: () => void;
  /** The connection to its kernel; `null` without one. */
  readonly connection: KernelConnection | null;
  /** Insert a cell below the cell of this output; `null` where there are no cells. */
  readonly insertCell: ((cell: NewCell, runs?: boolean) => boolean) | null;
  /** Run the cell of this output again; `null` where it holds more than a prompt. */
  readonly runAgain: (() => void) | null;
  /** Show a proposed change of a cell of its notebook in that cell. */
  readonly propose: Propose;
  /** Where its questions stand. */
  readonly asked: Asked;
}

/** A kernel that a notebook or console of the page has. */
export interface KernelOfPage {
  readonly id: string;
  /** The name of the notebook or console. */
  readonly title: string;
  readonly connection: KernelConnection;
  /** The notebook; `null` for a console. */
  readonly notebook: NotebookPanel | null;
  /** Bring its place into sight: a cell of it, if that is there. */
  readonly show: (cell: string) => void;
  /** The node of a cell's output; `null` where the cell is not there. */
  readonly outputOf: (cell: string) => HTMLElement | null;
}

interface Session {
  readonly session: { readonly kernel: Kernel.IKernelConnection | null } | null;
  readonly kernelChanged: ISignal<unknown, unknown>;
}

type Panel = Widget & { readonly sessionContext: Session };

/** Where other plugins of this extension find the outputs, cells and kernels of the page. */
export const IOutputLocations = new Token<OutputLocations>('claude-magic:IOutputLocations');

/** All notebooks and consoles, and a connection to each of their kernels. */
export class OutputLocations {
  constructor(
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null,
    private readonly _contents: Contents.IManager,
    private readonly _activate: (panel: Widget) => void
  ) {
    NotebookActions.executionScheduled.connect((_, { cell }) => this._executed.add(cell));
    // A run may end before its view is on the page, so the end of its cell counts as well.
    NotebookActions.executed.connect((_, { notebook, cell }) => {
      for (const [panel, isNotebook] of this._panels) {
        if (isNotebook && (panel as NotebookPanel).content === notebook && isOnlyAPrompt(cell.model.sharedModel.getSource())) {
          tellOfChange(panel as NotebookPanel, this._contents);
        }
      }
    });
    for (const tracker of [notebooks, consoles]) {
      tracker?.forEach(panel => {
        this._add(panel, tracker === notebooks);
      });
      tracker?.widgetAdded.connect((_: unknown, panel: Panel) => {
        this._add(panel, tracker === notebooks);
      });
    }
  }

  /** Emitted when a kernel came or went somewhere. */
  readonly changed = new Signal<this, void>(this);

  /** Shows a proposed change of a cell in the cell; `null` where what that takes is not there. */
  proposer: ((panel: NotebookPanel, ...change: Parameters<Propose>) => Proposal | null) | null = null;

  /** Return the place of a node on the page; `null` where it is in no notebook and no console. */
  find(node: HTMLElement): OutputLocation | null {
    for (const [panel, isNotebook] of this._panels) {
      if (panel.node.contains(node)) {
        const kernel = panel.sessionContext.session?.kernel ?? null;
        return {
          connection: kernel === null ? null : this._connectionTo(kernel),
          save: () => {
            if (isNotebook && this._hasExecuted(panel as NotebookPanel, node)) {
              saveSoon(panel as NotebookPanel, this._contents);
            }
          },
          tellOfChange: () => {
            if (isNotebook && this._hasExecuted(panel as NotebookPanel, node)) {
              tellOfChange(panel as NotebookPanel, this._contents);
            }
          },
          insertCell: isNotebook ? (cell, runs) => insertAndRun(panel as NotebookPanel, node, cell, runs) : null,
          runAgain: isNotebook ? this._runner(panel as NotebookPanel, node) : null,
          propose: (cell, source, answer) =>
            isNotebook ? (this.proposer?.(panel as NotebookPanel, cell, source, answer) ?? null) : null,
          asked: {
            title: panel.title.label,
            isInSight: () => panel.isVisible && !document.hidden && isInSight(node),
            show: () => {
              this._activate(panel);
              void showOutput(isNotebook ? (panel as NotebookPanel) : null, node);
            }
          }
        };
      }
    }
    return null;
  }

  /** Return every kernel that is open in the page once, that of a notebook before that of its console. */
  kernels(): readonly KernelOfPage[] {
    const found = new Map<string, KernelOfPage>();
    for (const [panel, isNotebook] of this._panels) {
      const kernel = panel.sessionContext.session?.kernel ?? null;
      if (kernel !== null && (isNotebook || !found.has(kernel.id))) {
        const notebook = isNotebook ? (panel as NotebookPanel) : null;
        found.set(kernel.id, {
          id: kernel.id,
          title: panel.title.label,
          connection: this._connectionTo(kernel),
          notebook,
          show: cell => {
            this._activate(panel);
            if (notebook !== null) {
              void showCell(notebook, cell);
            }
          },
          outputOf: cell => {
            const at = notebook === null ? -1 : indexOfCell(notebook, cell);
            return notebook?.content.widgets[at]?.node.querySelector<HTMLElement>('.jp-Cell-outputArea') ?? null;
          }
        });
      }
    }
    return [...found.values()];
  }

  /** Return the cell of a notebook that holds a node; `null` where there is none. */
  cellAt(node: HTMLElement): { readonly panel: NotebookPanel; readonly cell: Cell } | null {
    for (const [panel, isNotebook] of this._panels) {
      if (isNotebook && panel.node.contains(node)) {
        const cell = (panel as NotebookPanel).content.widgets.find(widget => widget.node.contains(node));
        return cell === undefined ? null : { panel: panel as NotebookPanel, cell };
      }
    }
    return null;
  }

  private _hasExecuted(panel: NotebookPanel, node: HTMLElement): boolean {
    const cell = panel.content.widgets.find(widget => widget.node.contains(node));
    return cell !== undefined && this._executed.has(cell);
  }

  private _runner(panel: NotebookPanel, node: HTMLElement): (() => void) | null {
    if (promptCell(panel, node) === -1) {
      return null;
    }
    return () => {
      const cell = promptCell(panel, node);
      if (cell !== -1) {
        panel.content.deselectAll();
        panel.content.activeCellIndex = cell;
        void NotebookActions.run(panel.content, panel.sessionContext);
      }
    };
  }

  private _add(panel: Panel, isNotebook: boolean): void {
    if (this._panels.has(panel)) {
      return;
    }
    this._panels.set(panel, isNotebook);
    if (isNotebook) {
      saveInTurn((panel as NotebookPanel).context);
    }
    panel.disposed.connect(() => {
      this._panels.delete(panel);
      this.changed.emit();
    });
    const listen = (): void => {
      const kernel = panel.sessionContext.session?.kernel ?? null;
      if (kernel !== null) {
        const connection = this._connectionTo(kernel);
        if (isNotebook) {
          void putBack(panel as NotebookPanel, connection);
        }
      }
      this.changed.emit();
    };
    panel.sessionContext.kernelChanged.connect(listen);
    listen();
  }

  private _connectionTo(kernel: Kernel.IKernelConnection): KernelConnection {
    let connection = this._connections.get(kernel);
    if (connection === undefined) {
      const made = (connection = new KernelConnection(kernel));
      this._connections.set(kernel, made);
      made.onCells = request => this._onCells(kernel, request);
      kernel.disposed.connect(() => {
        made.dispose();
        this._connections.delete(kernel);
      });
    }
    return connection;
  }

  private async _onCells(kernel: Kernel.IKernelConnection, request: CellsRequest): Promise<CellsReply | null> {
    for (const [panel, isNotebook] of this._panels) {
      if (isNotebook && panel.sessionContext.session?.kernel === kernel) {
        return handleCells(panel as NotebookPanel, request);
      }
    }
    return null;
  }

  /** The cells that this page has sent to a kernel. */
  private readonly _executed = new WeakSet<Cell>();
  private readonly _panels = new Map<Panel, boolean>();
  private readonly _connections = new Map<Kernel.IKernelConnection, KernelConnection>();
}

/** Put the views of runs that go on back into their cells, where the page was loaded before they were saved. */
async function putBack(panel: NotebookPanel, connection: KernelConnection): Promise<void> {
  await panel.context.ready;
  const runs = await connection.runs();
  for (const { run, cell: id } of panel.isDisposed ? [] : runs) {
    const cell = panel.content.widgets.find(({ model }) => model.id === id);
    // The output of a cell that this page itself runs is on its way.
    if (cell?.model.type === 'code' && !isRunning(cell as CodeCell)) {
      const { outputs } = (cell as CodeCell).model;
      const held = Array.from({ length: outputs.length }, (_, at) => outputs.get(at).data[MIME_TYPE]);
      if (!held.some(data => fromData(data).run === run)) {
        const data = { [MIME_TYPE]: { version: VERSION, run, live: true, parts: [] } };
        outputs.add({ output_type: 'display_data', data, metadata: {} });
      }
    }
  }
}

/** Insert a cell below that of an output, and run it if that is wanted. */
function insertAndRun(panel: NotebookPanel, output: HTMLElement, cell: NewCell, runs = false): boolean {
  const isInserted = insertBelow(panel, output, cell);
  if (isInserted && runs) {
    void NotebookActions.run(panel.content, panel.sessionContext);
  }
  return isInserted;
}

/** Whether this page has sent the cell to the kernel and is still given its output. */
function isRunning(cell: CodeCell): boolean {
  const { future } = cell.outputArea;
  return Boolean(future) && !future.isDisposed;
}

/** Whether some of the open question in an output, or of the output itself, is in the window. */
export function isInSight(output: HTMLElement): boolean {
  const { top, bottom } = (output.querySelector('.claude-ask') ?? output).getBoundingClientRect();
  return output.isConnected && bottom > 0 && top < window.innerHeight;
}

/** Select a cell, and scroll to the open question below it, if there is one. */
async function showCell({ content: notebook }: NotebookPanel, id: string): Promise<void> {
  const index = notebook.widgets.findIndex(({ model }) => model.id === id);
  if (index !== -1) {
    notebook.deselectAll();
    notebook.activeCellIndex = index;
    await notebook.scrollToItem(index);
    notebook.widgets[index]?.node.querySelector('.claude-ask')?.scrollIntoView({ block: 'nearest' });
  }
}

/** Scroll to the open question in an output; a notebook may have taken its cell off the page. */
async function showOutput(panel: NotebookPanel | null, output: HTMLElement): Promise<void> {
  const cell = panel?.content.widgets.findIndex(({ node }) => node.contains(output)) ?? -1;
  if (panel !== null && cell !== -1) {
    await panel.content.scrollToItem(cell);
  }
  (output.querySelector('.claude-ask') ?? output).scrollIntoView({ block: 'nearest' });
}
