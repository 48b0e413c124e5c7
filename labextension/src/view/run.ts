/** The whole view of one run: header, parts, questions, end and footer. State in, page out. */

import type { RunState } from '../state';
import { isOver } from '../tools';
import { plural, seconds, visible } from '../text';
import { arrange, divide } from './items';
import type { SectionItem } from './items';
import { el, KeyedChildren, setText, show } from './dom';
import { PromptNotes } from './notes';
import { Follower } from './follow';
import { Ending, Footer } from './footer';
import type { Standing } from './footer';
import { pageFrames } from './animation_frames';
import { Header } from './header';
import { HeightEstimator } from './height_estimator';
import type { Host } from './host';
import { ScrollAnchor } from './scroll_anchor';
import { pieceFor } from './parts';
import { QuestionCard } from './question';
import { Rendering } from './rendering';
import { Section } from './section';
import type { ViewContext } from './view_context';
import type { Question } from '../protocol';

/** What there is to show. */
export interface Shown {
  readonly run: RunState;
  /** Whether the kernel can still tell how a live run goes on. */
  readonly reachable: boolean;
}

/** Draws a run into `node`, and again whenever `show` is called, together with the other runs of the page. */
export class RunView {
  readonly node = el('section', 'claude-run');

  /**
   * @param host - the place it stands in.
   * @param now - the time in unix seconds.
   */
  constructor(
    private readonly _host: Host,
    now: () => number = () => Date.now() / 1000
  ) {
    const rendering = new Rendering(_host);
    const context: ViewContext = {
      host: rendering.host,
      opened: new Map(),
      clock: this._clock,
      now,
      isLive: () => this._standing === 'live',
      isAsked: id => id !== '' && this._asked.has(id)
    };
    // Keys belong to what has the focus here, not to the notebook's shortcuts.
    this.node.dataset['lmSuppressShortcuts'] = 'true';
    this.node.setAttribute('aria-label', 'Answer of Claude');
    this._spoken.setAttribute('role', 'status');
    this._spoken.setAttribute('aria-live', 'polite');
    this._header = new Header(context, () => {
      const question = this._questionsNode.firstElementChild;
      question?.scrollIntoView({ block: 'nearest' });
      question?.querySelector<HTMLElement>('textarea, input, button')?.focus({ preventScroll: true });
    });
    this._ending = new Ending(context);
    this._footer = new Footer(context);
    this._parts = new KeyedChildren<SectionItem>(this._partsNode, () => {
      return new Section(item => pieceFor(item, context), this._estimator, rendering.done);
    });
    this._questions = new KeyedChildren<Question>(this._questionsNode, question => new QuestionCard(question, context));
    this.node.append(this._header.node, this._notes.node, this._partsNode, this._working, this._questionsNode);
    this.node.append(this._ending.node, this._footer.node, this._spoken);
  }

  /** Show this from one of the next frames on. */
  show(shown: Shown): void {
    this._next = shown;
    if (!this._disposed) {
      this._frames.drawSoon(this.flush);
    }
  }

  /** Draw now what is to be shown. */
  readonly flush = (): void => {
    this._frames.drawNoMore(this.flush);
    const next = this._next;
    this._next = null;
    if (next !== null && !this._disposed) {
      if (next.run.live && this._host.request !== null && !this._hasBegun) {
        this._hasBegun = true;
        this._follower.start(next.run.parts.length === 0);
      }
      this._draw(next);
    }
  };

  dispose(): void {
    this._disposed = true;
    this._frames.drawNoMore(this.flush);
    clearInterval(this._timer);
    this._follower.release();
    this._scrollAnchor.release();
    this._parts.dispose();
    this._estimator.dispose();
    this._questions.dispose();
    this._growth?.disconnect();
    this.node.remove();
  }

  private _draw({ run, reachable }: Shown): void {
    const before = this._standing;
    this._standing = run.live && run.outcome === null ? (reachable ? 'live' : 'lost') : 'over';
    this._asked = new Set(this._standing === 'live' ? run.questions.map(question => question.tool_use_id) : []);
    const standing = this._standing;
    this.node.dataset['standing'] = standing;
    this.node.dataset['outcome'] = run.outcome ?? '';
    // Not the whole view: what a busy region says is not read out.
    this._partsNode.setAttribute('aria-busy', String(standing === 'live'));
    this._header.update(run);
    this._notes.update(run);
    const sections = divide(arrange(run.parts));
    this._parts.update(sections);
    if (sections.length > 1) {
      this._scrollAnchor.start();
    }
    const questions = standing === 'live' ? run.questions : [];
    this._questions.update(questions.map(question => ({ key: question.id, shown: question })));
    show(this._working, standing === 'live' && questions.length === 0 && isQuiet(run));
    this._ending.update({ run, standing });
    this._footer.update({ run, standing });
    this._announce(run, before);
    this._keepTime(standing === 'live');
  }

  /** Say changes of state to who listens, and nothing else: not every word. */
  private _announce(run: RunState, before: Standing | null): void {
    const question = run.questions[run.questions.length - 1];
    if (this._standing === 'live' && question !== undefined) {
      setText(this._spoken, `Claude needs an answer: ${visible(question.title)}`);
    } else if (this._standing === 'live') {
      setText(this._spoken, 'Claude is working');
    } else if (before === 'live') {
      const took = run.duration_s > 0 ? ` after ${seconds(run.duration_s)}` : '';
      const tools = run.parts.filter(part => part.type === 'tool').length;
      const used = tools > 0 ? `, ${plural(tools, 'tool use')}` : '';
      setText(this._spoken, run.outcome === 'success' ? `Finished${took}${used}` : visible(run.notice) || 'Ended');
    }
  }

  private _keepTime(live: boolean): void {
    if (live && this._timer === undefined) {
      this._timer = setInterval(() => {
        this._clock.forEach(tick => {
          tick();
        });
      }, 1_000);
      // It tells of growth when layout is done, so that nothing has to compute it twice.
      this._growth = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(() => {
        this._follower.grown();
      });
      this._growth?.observe(this.node);
    } else if (!live && this._timer !== undefined) {
      clearInterval(this._timer);
      this._timer = undefined;
      setTimeout(() => this._growth?.disconnect(), 1_000);
    }
  }

  private _standing: Standing | null = null;
  private _asked: ReadonlySet<string> = new Set();
  private _next: Shown | null = null;
  private _hasBegun = false;
  private _disposed = false;
  private _timer: ReturnType<typeof setInterval> | undefined;
  private _growth: ResizeObserver | null = null;
  private readonly _frames = pageFrames();
  private readonly _clock = new Set<() => void>();
  private readonly _partsNode = el('div', 'claude-sections');
  private readonly _questionsNode = el('div', 'claude-questions');
  private readonly _notes = new PromptNotes();
  private readonly _working = el('div', 'claude-working', el('span'), el('span'), el('span'));
  private readonly _spoken = el('div', 'claude-spoken');
  private readonly _follower = new Follower(this.node);
  private readonly _scrollAnchor = new ScrollAnchor(this.node, () => this._standing !== 'live' || !this._follower.follows);
  private readonly _estimator = new HeightEstimator();
  private readonly _ending: Ending;
  private readonly _header: Header;
  private readonly _footer: Footer;
  private readonly _parts: KeyedChildren<SectionItem>;
  private readonly _questions: KeyedChildren<Question>;
}

/** Whether nothing on the page shows that work goes on. */
function isQuiet(run: RunState): boolean {
  const last = run.parts[run.parts.length - 1];
  return last === undefined || last.type === 'note' || (last.type === 'tool' && isOver(last.state));
}
