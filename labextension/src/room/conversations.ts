/** Earlier conversations of the CLI, to be found by their title and folder, and to go on with. */

import type { Conversation } from '../protocol';
import { oneLine, visible } from '../text';
import { button, el, setText, show } from '../view/dom';
import type { AllSessions, Command, SessionsOfKernel } from './all_sessions';
import { dayWords, nameFor } from './words';

const MOST_SHOWN = 30;

export class Conversations {
  readonly node = el('details', 'claude-earlier');

  /**
   * @param _all - the sessions that are open.
   * @param _command - asks a kernel to do something.
   * @param _resumed - called when a session goes on with a conversation.
   */
  constructor(
    private readonly _all: AllSessions,
    private readonly _command: Command,
    private readonly _resumed: (kernel: SessionsOfKernel, session: string) => void
  ) {
    this._search.type = 'search';
    this._search.placeholder = 'Search by title or folder';
    this._search.setAttribute('aria-label', 'Search earlier conversations');
    this._search.addEventListener('input', () => {
      this._draw();
    });
    this._words.setAttribute('role', 'status');
    this.node.append(el('summary', '', 'Earlier conversations'), this._search, this._words, this._list);
    this.node.addEventListener('toggle', () => {
      if (this.node.open) {
        void this._load();
      }
    });
  }

  update(): void {
    show(this.node, this._all.kernels.length > 0);
  }

  private async _load(): Promise<void> {
    setText(this._words, 'Looking…');
    for (const kernel of this._all.kernels) {
      const found = await kernel.sessions.ask.conversations();
      if (found !== null) {
        [this._kernel, this._found] = [kernel, found];
        this._draw();
        return;
      }
    }
    setText(this._words, 'No kernel here has Claude loaded: run %load_ext claude_magic.');
  }

  private _draw(): void {
    const wanted = this._search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ title, folder }: Conversation): boolean =>
      wanted.every(word => title.toLowerCase().includes(word) || folder.toLowerCase().includes(word));
    const found = this._found.filter(fits);
    const now = new Date();
    this._list.replaceChildren(...found.slice(0, MOST_SHOWN).map(one => this._row(one, now)));
    const more = found.length > MOST_SHOWN ? `The latest ${MOST_SHOWN} of ${found.length}.` : '';
    setText(this._words, found.length === 0 ? 'None found.' : more);
    show(this._words, this._words.textContent !== '');
  }

  private _row(one: Conversation, now: Date): HTMLElement {
    const resume = button('', 'claude-earlier-one', () => {
      void this._resume(one, resume);
    });
    resume.append(
      el('span', 'claude-earlier-title', oneLine(one.title, 80) || one.session_id),
      el('span', 'claude-earlier-where', `${dayWords(one.changed, now)} · ${visible(one.folder)}`)
    );
    resume.title = `Go on with it in a new session\n${one.folder}`;
    return el('li', '', resume);
  }

  private async _resume(one: Conversation, pressed: HTMLButtonElement): Promise<void> {
    const kernel = this._kernel;
    if (kernel === null) {
      return;
    }
    pressed.disabled = true;
    const name = nameFor(one.title, kernel.sessions.all.map(session => session.name));
    if ((await this._command(kernel, { command: 'resume', session: '', text: one.session_id, name })) !== null) {
      this._resumed(kernel, name);
    }
    pressed.disabled = false;
  }

  private readonly _search = el('input');
  private readonly _words = el('p', 'claude-room-empty');
  private readonly _list = el('ul', 'claude-room-list');
  private _found: readonly Conversation[] = [];
  private _kernel: SessionsOfKernel | null = null;
}
