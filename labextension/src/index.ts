/** The JupyterLab extension: a plugin that draws the runs of claude_magic, and others that a front end may do without. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { Widget } from '@lumino/widgets';

import { markdownRenderer } from './markdown';
import { IOutputLocations, OutputLocations } from './output_locations';
import { MIME_TYPE } from './protocol';
import { RunRenderer } from './renderer';

const view: JupyterFrontEndPlugin<OutputLocations> = {
  id: 'claude-magic:view',
  description: 'Shows the answers of %%claude cells as they are written.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [INotebookTracker, IConsoleTracker],
  provides: IOutputLocations,
  activate: (
    app: JupyterFrontEnd,
    registry: IRenderMimeRegistry,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null
  ) => {
    const activate = (panel: Widget): void => {
      app.shell.activateById(panel.id);
    };
    const locations = new OutputLocations(notebooks, consoles, app.serviceManager.contents, activate);
    let renderMarkdown: ReturnType<typeof markdownRenderer> | null = null;
    registry.addFactory(
      {
        safe: true,
        mimeTypes: [MIME_TYPE],
        defaultRank: 0,
        createRenderer: () => {
          // Made late: by then every extension has said how it renders Markdown and formulas.
          renderMarkdown ??= markdownRenderer(registry);
          return new RunRenderer(locations, renderMarkdown);
        }
      },
      0
    );
    return locations;
  }
};

/** Voila does not share what these are made with: each is loaded by itself, and left out where that fails. */
const others: readonly (() => Promise<{ default: JupyterFrontEndPlugin<void> }>)[] = [
  () => import('./prompt/plugin'),
  () => import('./proposals'),
  () => import('./workbench/plugin'),
  () => import('./room/plugin')
];

async function loaded(): Promise<JupyterFrontEndPlugin<void>[]> {
  const modules = await Promise.allSettled(others.map(load => load()));
  return modules.flatMap(module => (module.status === 'fulfilled' ? [module.value.default] : []));
}

export default [view, ...(await loaded())];
