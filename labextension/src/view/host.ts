/** What the view needs of the place it stands in. */

import type { NewCell } from '../cells';
import type { Action } from '../protocol';

/** How a request to the kernel went. */
export type Answer = 'done' | 'unknown' | 'unreachable';

/** What is done when a person answers in the cell that is asked about. */
export interface ProposedAnswer {
  readonly accept: (event: MouseEvent) => void;
  readonly reject: (event: MouseEvent) => void;
}

/** A change that is shown in the cell that it would change. */
export interface Proposal {
  /** The source that the cell would get now: the person may have rejected parts, or edited it. */
  readonly source: string;
  /** Bring the cell into sight. */
  reveal(): void;
  /** Whether it can be answered now; at first it cannot. */
  setEnabled(enabled: boolean): void;
  dispose(): void;
}

/** Shows a change in its cell; a source of `null` deletes it. Returns `null` where that cell is not there. */
export type Propose = (cellId: string, source: string | null, answer: ProposedAnswer) => Proposal | null;

export interface Host {
  /**
   * Render Markdown of the model, strictly sanitized.
   *
   * @param node - an element on the page or about to be; it is filled at once when all is ready.
   * @param text - Markdown; nothing in it is trusted.
   */
  renderMarkdown(node: HTMLElement, text: string): Promise<void>;
  /** Ask something of the kernel; `null` where there is no kernel to ask. */
  readonly request: ((action: Action) => Promise<Answer>) | null;
  /**
   * Insert a new cell below the one this output belongs to; `null` where there are never cells. Where that is not
   * known before the output is on the page, style shows the button once it stands among cells. With `runs` it is run,
   * too.
   */
  readonly insertCell: ((cell: NewCell, runs?: boolean) => boolean) | null;
  /** Run the cell of this output once more; `null` where that would not be this prompt alone, or there is no cell. */
  readonly runAgain: (() => void) | null;
  /** Show a proposed change of another cell in that cell; `null` where there are no cells. */
  readonly propose: Propose | null;
  /** Whether a person did this, and no script. */
  trusts(event: Event): boolean;
}

/** Put text on the clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without permission, or on a page that is not secure: the old way.
    const area = document.createElement('textarea');
    area.value = text;
    area.style.cssText = 'position:fixed;opacity:0';
    document.body.append(area);
    const focused = document.activeElement;
    area.select();
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way where there is no secure context
    const copied = document.execCommand('copy');
    area.remove();
    if (focused instanceof HTMLElement) {
      focused.focus({ preventScroll: true });
    }
    return copied;
  }
}
