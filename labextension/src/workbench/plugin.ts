/** The plugin of what is at hand beside a prompt: commands, buttons, an offer to load the magics. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import { IOutputLocations } from '../output_locations';
import type { OutputLocations } from '../output_locations';
import { SETTINGS, isOn } from '../settings';
import { addErrorButtons } from './error_buttons';
import { claudeIcon } from './icon';
import { offerToLoad } from './load_offer';
import { askAboutCell, newPromptBelow } from './new_prompts';
import type { CellOfPanel } from './new_prompts';

const CATEGORY = 'Claude';

const workbench: JupyterFrontEndPlugin<void> = {
  id: 'claude-magic:workbench',
  description: 'Commands and buttons for prompts to Claude.',
  autoStart: true,
  requires: [IRenderMimeRegistry, INotebookTracker, IOutputLocations],
  optional: [ICommandPalette, ISettingRegistry],
  activate: (
    { commands }: JupyterFrontEnd,
    registry: IRenderMimeRegistry,
    notebooks: INotebookTracker,
    locations: OutputLocations,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null
  ) => {
    const active = (): CellOfPanel | null => {
      const panel = notebooks.currentWidget;
      const cell = panel?.content.activeCell;
      return panel != null && cell != null && isPython(panel) ? { panel, cell } : null;
    };
    const add = (id: string, label: string, caption: string, act: (place: CellOfPanel) => void): void => {
      commands.addCommand(id, {
        label,
        caption,
        icon: ({ toolbar }) => (toolbar === true ? claudeIcon : undefined),
        isEnabled: () => active() !== null,
        execute: () => {
          const place = active();
          if (place !== null) {
            act(place);
          }
        }
      });
      palette?.addItem({ command: id, category: CATEGORY });
    };
    add('claude-magic:new-prompt', 'New Prompt Below', 'Insert a prompt to Claude below this cell', newPromptBelow);
    add('claude-magic:ask-about-cell', 'Ask Claude About This Cell', 'Ask Claude about this cell', askAboutCell);
    let hasErrorButtons = true;
    void settings?.load(SETTINGS).then(loaded => {
      const follow = (): void => {
        hasErrorButtons = isOn(loaded, 'errorButtons');
      };
      loaded.changed.connect(follow);
      follow();
    });
    addErrorButtons(registry, node => (hasErrorButtons ? pythonCell(locations, node) : null));
    offerToLoad(node => locations.cellAt(node));
  }
};

function pythonCell(locations: OutputLocations, node: HTMLElement): CellOfPanel | null {
  const place = locations.cellAt(node);
  return place !== null && isPython(place.panel) ? place : null;
}

/** Whether the magics can be loaded in the kernel of a notebook; one that does not say what it is may be. */
function isPython({ content }: CellOfPanel['panel']): boolean {
  const name = (content.model?.getMetadata('language_info') as { name?: string } | undefined)?.name;
  return name === undefined || name === 'python';
}

export default workbench;
