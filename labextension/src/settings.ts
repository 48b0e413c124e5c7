/** What can be set on JupyterLab's page of settings; `schema/view.json` says what each of it is. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

/** The plugin whose settings they are. */
export const SETTINGS = 'claude-magic:view';

export type Setting = 'promptCells' | 'errorButtons' | 'notifications';

/** Whether something is switched on; everything is, unless a person has switched it off. */
export function isOn(settings: ISettingRegistry.ISettings, name: Setting): boolean {
  return settings.composite[name] !== false;
}
