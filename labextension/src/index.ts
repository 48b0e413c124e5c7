/** The JupyterLab extension: one plugin that draws the runs of claude_magic. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { Widget } from '@lumino/widgets';

import { markdownRenderer } from './markdown';
import { OutputLocations } from './output_locations';
import { MIME_TYPE } from './protocol';
import { RunRenderer } from './renderer';

const view: JupyterFrontEndPlugin<void> = {
  id: 'claude-magic:view',
  description: 'Shows the answers of %%claude cells as they are written.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [INotebookTracker, IConsoleTracker],
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
  }
};

export default view;
