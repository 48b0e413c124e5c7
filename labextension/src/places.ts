/** Where an output stands: in which notebook or console, at which kernel, below which cell. */

import type { IConsoleTracker } from '@jupyterlab/console';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

import { insertBelow } from './cells';
import type { NewCell } from './cells';
import { Line } from './connection';

export interface Place {
  /** The line to its kernel; `null` without one. */
  readonly line: Line | null;
  /** Insert a cell below the cell of this output; `null` where there are no cells. */
  readonly insertCell: ((cell: NewCell) => boolean) | null;
}

interface Session {
  readonly session: { readonly kernel: Kernel.IKernelConnection | null } | null;
  readonly kernelChanged: ISignal<unknown, unknown>;
}

type Panel = Widget & { readonly sessionContext: Session };

/** All notebooks and consoles, and a line to each of their kernels. */
export class Places {
  constructor(notebooks: INotebookTracker | null, consoles: IConsoleTracker | null) {
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

  /** Return the place of a node on the page; `null` where it is in no notebook and no console. */
  find(node: HTMLElement): Place | null {
    for (const [panel, isNotebook] of this._panels) {
      if (panel.node.contains(node)) {
        const kernel = panel.sessionContext.session?.kernel ?? null;
        return {
          line: kernel === null ? null : this._line(kernel),
          insertCell: isNotebook ? cell => insertBelow(panel as NotebookPanel, node, cell) : null
        };
      }
    }
    return null;
  }

  private _add(panel: Panel, isNotebook: boolean): void {
    if (this._panels.has(panel)) {
      return;
    }
    this._panels.set(panel, isNotebook);
    panel.disposed.connect(() => this._panels.delete(panel));
    const listen = (): void => {
      const kernel = panel.sessionContext.session?.kernel ?? null;
      if (kernel !== null) {
        this._line(kernel);
      }
      this.changed.emit();
    };
    panel.sessionContext.kernelChanged.connect(listen);
    listen();
  }

  private _line(kernel: Kernel.IKernelConnection): Line {
    let line = this._lines.get(kernel);
    if (line === undefined) {
      const made = (line = new Line(kernel));
      this._lines.set(kernel, made);
      kernel.disposed.connect(() => {
        made.dispose();
        this._lines.delete(kernel);
      });
    }
    return line;
  }

  private readonly _panels = new Map<Panel, boolean>();
  private readonly _lines = new Map<Kernel.IKernelConnection, Line>();
}
