/** The file of an open notebook, changed by another program: a command that Claude ran, a checkout, another editor. */

import { Notification } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';

import { saveInTurn } from './saving';

/** When the file of a document was changed last, as far as the person was told. */
const told = new WeakMap<NotebookPanel['context'], string>();

/**
 * Tell the person, once, that another program has changed the file of an open notebook; nothing is reverted unasked.
 *
 * The CLI's own editing tools cannot, but a command that Claude ran can.
 */
export function tellOfChange(panel: NotebookPanel, contents: Contents.IManager): void {
  const { context } = panel;
  const look = async (): Promise<void> => {
    const known = context.contentsModel;
    if (known === null || panel.isDisposed || context.path.startsWith('RTC:')) {
      return;
    }
    const { last_modified: now } = await contents.get(context.path, { content: false });
    if (now === context.contentsModel?.last_modified || told.get(context) === now) {
      return;
    }
    told.set(context, now);
    Notification.warning(
      `${panel.title.label} was changed on disk by another program. This page shows what it had before; reloading it ` +
        'shows the file, and drops what was not saved here.',
      { autoClose: false, actions: [{ label: 'Reload from disk', callback: () => void context.revert() }] }
    );
  };
  saveInTurn(context)
    .run(look)
    .catch(() => undefined); // a file that cannot be looked at is the next save's to tell of
}
