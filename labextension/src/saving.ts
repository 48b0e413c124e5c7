/**
 * Saving a notebook unasked, so that a page that is loaded later finds in it what is going on now.
 *
 * JupyterLab compares the file with what it wrote last, and asks "overwrite or revert?" when they differ. A save that
 * begins while another is under way meets just that, so the saves of one document wait for each other here: ours, the
 * person's and the automatic ones.
 */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';

type Context = Pick<NotebookPanel['context'], 'save'>;
type Task = () => Promise<void>;

interface SaveQueue {
  /** Run a task when no save is under way, and hold saves back until it is done. */
  readonly run: (task: Task) => Promise<void>;
  /** Save at once; for tasks of this queue. */
  readonly save: Task;
}

/** What is displayed first has a moment to arrive. */
const SAVED_AFTER_MS = 300;

const queues = new WeakMap<Context, SaveQueue>();
/** Documents with a save of ours ahead, which holds whatever happens until then. */
const scheduled = new WeakSet<Context>();

/** Let the saves of a document wait for each other from now on; those that wait for the same one are one. */
export function saveInTurn(context: Context): SaveQueue {
  const known = queues.get(context);
  if (known !== undefined) {
    return known;
  }
  const save = context.save.bind(context);
  let last: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | null = null;
  const run = (task: Task): Promise<void> => {
    const result = last.then(task);
    last = result.catch(() => undefined);
    return result;
  };
  context.save = () =>
    (waiting ??= run(() => {
      waiting = null; // what changes from here on needs a save of its own
      return save();
    }));
  const queue = { run, save };
  queues.set(context, queue);
  return queue;
}

/** Save a notebook that has a file of its own which nothing else has changed; what fails is left to the next save. */
export function saveSoon(panel: NotebookPanel, contents: Contents.IManager): void {
  const { context } = panel;
  const known = context.contentsModel;
  // A collaborative drive saves by itself.
  if (known === null || !known.writable || context.model.readOnly || context.path.startsWith('RTC:')) {
    return;
  }
  if (scheduled.has(context)) {
    return;
  }
  scheduled.add(context);
  const queue = saveInTurn(context);
  const save = async (): Promise<void> => {
    scheduled.delete(context); // what changes from here on needs a save of its own
    const { last_modified: now } = await contents.get(context.path, { content: false });
    if (now === context.contentsModel?.last_modified && !panel.isDisposed) {
      await queue.save();
    }
  };
  setTimeout(() => {
    queue.run(save).catch(() => undefined);
  }, SAVED_AFTER_MS);
}
