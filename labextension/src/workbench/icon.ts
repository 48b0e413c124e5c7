/** The icon of Claude's commands and panel: a spark in the colour of the theme's icons. */

import { LabIcon } from '@jupyterlab/ui-components';

const rays = [0, 45, 90, 135].map(angle => `<path transform="rotate(${angle} 8 8)" d="M8 1.5v13"/>`).join('');

export const claudeIcon = new LabIcon({
  name: 'claude-magic:claude',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16"><g class="jp-icon3 claude-icon" fill="none" stroke="#616161" stroke-width="1.7" stroke-linecap="round">${rays}</g></svg>`
});
