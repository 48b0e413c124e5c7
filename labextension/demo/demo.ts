/** Recorded runs, drawn as they would stand in a notebook. `?stream` plays the first one as it grows. */

import css from '../style/base.css';
import { fromData, reduce } from '../src/state';
import type { RunState } from '../src/state';
import type { Host } from '../src/view/host';
import { RunView } from '../src/view/run';
import { renderMarkdown } from '../src/plain_markdown';
import { RUNS } from './runs';

const style = document.createElement('style');
style.textContent = css;
document.head.append(style);

const host: Host = {
  renderMarkdown,
  request: () => Promise.resolve('done'),
  insertCell: () => true,
  runAgain: () => undefined,
  propose: null,
  trusts: () => true
};

function draw(state: RunState): RunView {
  const box = document.createElement('div');
  box.className = 'claude-output claude-in-notebook';
  const view = new RunView(host);
  box.append(view.node);
  document.body.append(box);
  view.show({ run: state, reachable: true });
  view.flush();
  return view;
}

for (const { run, questions } of RUNS) {
  const started = run.live === true ? Date.now() / 1000 - 14 : 0;
  draw(reduce(fromData({}), { type: 'snapshot', seq: 1, run: { ...run, started }, questions: questions ?? [] }));
}
