/** The plugin of prompt cells; its packages are not shared by every front end, so it is loaded by itself. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import { EditorExtensionRegistry, IEditorExtensionRegistry, IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import { IOutputLocations } from '../output_locations';
import type { OutputLocations } from '../output_locations';
import { SETTINGS, isOn } from '../settings';
import { PromptCells } from './prompt_cells';

const prompts: JupyterFrontEndPlugin<void> = {
  id: 'claude-magic:prompt-cells',
  description: 'Shows %%claude cells as the Markdown that they are.',
  autoStart: true,
  requires: [IEditorExtensionRegistry, IEditorLanguageRegistry, IOutputLocations],
  optional: [ISettingRegistry],
  activate: async (
    _: JupyterFrontEnd,
    extensions: IEditorExtensionRegistry,
    languages: IEditorLanguageRegistry,
    locations: OutputLocations,
    settings: ISettingRegistry | null
  ) => {
    // Before the first editor is made, so that no cell is seen in other colours.
    const markdown = (await languages.getLanguage('ipythongfm'))?.support;
    if (markdown === undefined) {
      return;
    }
    const cells = new PromptCells(markdown, editor => locations.find(editor)?.connection?.names ?? null);
    locations.changed.connect(() => {
      cells.refresh();
    });
    extensions.addExtension({
      name: 'claude-prompt',
      factory: ({ inline, model }) =>
        inline && isCode(model)
          ? EditorExtensionRegistry.createImmutableExtension(cells.extension(model.sharedModel.getSource()))
          : null
    });
    void settings?.load(SETTINGS).then(loaded => {
      const follow = (): void => {
        cells.toggle(isOn(loaded, 'promptCells'));
      };
      loaded.changed.connect(follow);
      follow();
    });
  }
};

/** Cells of Markdown have editors of the same kind. */
function isCode(model: CodeEditor.IModel): boolean {
  const { type } = model as { type?: string };
  return type === undefined || type === 'code';
}

export default prompts;
