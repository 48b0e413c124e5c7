/** The plugin of the sessions: a panel, a few words in the status bar, and word of what waits. */

import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';

import { announcing } from '../attention';
import { IOutputLocations } from '../output_locations';
import type { OutputLocations } from '../output_locations';
import { SETTINGS, isOn } from '../settings';
import { claudeIcon } from '../workbench/icon';
import { insertPromptIn } from '../workbench/new_prompts';
import { AllSessions } from './all_sessions';
import { SessionPanel } from './panel';
import { StatusItem } from './status_item';
import { WaitingSessions } from './waiting';

const SHOW = 'claude-magic:show-sessions';

const room: JupyterFrontEndPlugin<void> = {
  id: 'claude-magic:sessions',
  description: 'Shows the sessions of all kernels, and what waits for the person.',
  autoStart: true,
  requires: [IOutputLocations],
  optional: [ILayoutRestorer, ICommandPalette, IStatusBar, ISettingRegistry],
  activate: (
    { shell, commands }: JupyterFrontEnd,
    locations: OutputLocations,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    statusBar: IStatusBar | null,
    settings: ISettingRegistry | null
  ) => {
    const all = new AllSessions(locations);
    const panel = new SessionPanel(
      all,
      ({ kernel }, session) => {
        kernel.show('');
        if (kernel.notebook !== null) {
          insertPromptIn(kernel.notebook, session);
        }
      },
      leaveToNotify
    );
    panel.id = 'claude-magic-sessions';
    panel.title.icon = claudeIcon;
    panel.title.caption = 'Claude sessions';
    shell.add(panel, 'left', { rank: 450, type: 'Claude' });
    restorer?.add(panel, panel.id);
    const show = (): void => {
      shell.activateById(panel.id);
    };
    commands.addCommand(SHOW, { label: 'Show Claude Sessions', execute: show });
    palette?.addItem({ command: SHOW, category: 'Claude' });
    statusBar?.registerStatusItem('claude-magic:sessions', { item: new StatusItem(all, show), align: 'left', rank: 4 });
    new WaitingSessions(all);
    void settings?.load(SETTINGS).then(loaded => {
      const follow = (): void => {
        announcing.isOn = isOn(loaded, 'notifications');
      };
      loaded.changed.connect(follow);
      follow();
    });
  }
};

/** Return what asks the person for leave to notify outside of the browser; `null` where it was answered, or cannot be. */
function leaveToNotify(): (() => void) | null {
  if (!('Notification' in globalThis) || Notification.permission !== 'default') {
    return null;
  }
  return () => {
    void Notification.requestPermission();
  };
}

export default room;
