/** What the pieces of one run share. */

import type { Host } from './host';

export interface ViewContext {
  readonly host: Host;
  /** Tool uses that the reader has opened (true) or closed (false), by id. A card that moves keeps to it. */
  readonly opened: Map<string, boolean>;
  /** Called about once a second while the run is live. */
  readonly clock: Set<() => void>;
  /** The time in unix seconds. */
  now(): number;
  /** Whether the run is live. */
  isLive(): boolean;
  /** Whether a question about this tool use is open, and stands for its card. */
  isAsked(toolUseId: string): boolean;
}
