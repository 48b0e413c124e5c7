/** A traceback with what Claude can do about it: the output as JupyterLab shows it, and two buttons below. */

import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { Message } from '@lumino/messaging';
import { PanelLayout, Widget } from '@lumino/widgets';

import { isOnlyAPrompt } from '../cells';
import { button } from '../view/dom';
import { insertPrompt } from './new_prompts';
import type { CellOfPanel } from './new_prompts';
import { draftAboutError } from './prompt_drafts';
import type { Wish } from './prompt_drafts';

/** Every error has this type too; JupyterLab shows it as text of the other one. */
const ERROR = 'application/vnd.jupyter.error';
const SHOWN = 'application/vnd.jupyter.stderr';
/** A cell that was stopped did not fail. */
const NO_FAILURE = new Set(['KeyboardInterrupt']);

type CellOf = (node: HTMLElement) => CellOfPanel | null;

/**
 * Have errors shown with buttons.
 *
 * @param registry - JupyterLab's own.
 * @param cellOf - finds the cell of an output, where it can be asked about.
 */
export function addErrorButtons(registry: IRenderMimeRegistry, cellOf: CellOf): void {
  registry.addFactory(
    {
      safe: true,
      mimeTypes: [ERROR],
      createRenderer: options => {
        const shown = registry.getFactory(SHOWN)?.createRenderer({ ...options, mimeType: SHOWN });
        return new ErrorOutput(shown ?? registry.createRenderer('text/plain'), cellOf);
      }
    },
    // Before the text of the error.
    (registry.getFactory(SHOWN)?.defaultRank ?? 100) - 1
  );
}

class ErrorOutput extends Widget implements IRenderMime.IRenderer {
  constructor(
    private readonly _shown: IRenderMime.IRenderer,
    private readonly _cellOf: CellOf
  ) {
    super();
    this.addClass('claude-error-output');
    const layout = (this.layout = new PanelLayout());
    layout.addWidget(_shown);
    layout.addWidget(new Widget({ node: this._bar }));
    this._bar.className = 'claude-error-bar';
    this._bar.append(this._button('Explain', 'explain'), this._button('Fix', 'fix'));
    this._bar.hidden = true;
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const error = model.data[ERROR] as { ename?: unknown; traceback?: unknown } | undefined;
    const text = model.data[SHOWN];
    this._traceback = typeof text === 'string' ? text : '';
    this._failed = !NO_FAILURE.has(String(error?.ename));
    this._look();
    await this._shown.renderModel(model);
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._look();
  }

  private _look(): void {
    const source = this._cellOf(this.node)?.cell.model.sharedModel.getSource();
    this._bar.hidden = !this._failed || source === undefined || isOnlyAPrompt(source);
  }

  private _button(label: string, wish: Wish): HTMLButtonElement {
    const made = button(label, 'claude-quiet', () => {
      const place = this._cellOf(this.node);
      if (place !== null) {
        insertPrompt(place, draftAboutError(place.cell.model.sharedModel.getSource(), this._traceback, wish));
      }
    });
    made.title = wish === 'explain' ? 'Ask Claude what went wrong' : 'Ask Claude for a corrected cell';
    return made;
  }

  private readonly _bar = document.createElement('div');
  private _traceback = '';
  private _failed = false;
}
