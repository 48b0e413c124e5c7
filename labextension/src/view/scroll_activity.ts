/** How fast the page is being scrolled: what is drawn meanwhile may move it, and would be in the way. */

const LEAP_PX = 400;
const LEAPS = 2; // one is a jump to a place, which is where the person wants to be
const LEAPING_MS = 120;
const MOVING_MS = 80;

/** Watches everything that scrolls on the page. */
class ScrollActivity {
  /** Call this now, or as soon as the page is scrolled slowly enough to read. */
  whenReadable(then: () => void): void {
    this._listen();
    this._when(performance.now() - this._leapt < LEAPING_MS, this._forReadable, then);
  }

  /** Call this now, or as soon as the page is not scrolled at all. */
  whenAtRest(then: () => void): void {
    this._listen();
    this._when(performance.now() - this._moved < MOVING_MS, this._forRest, then);
  }

  private _when(isTooFast: boolean, waiting: Set<() => void>, then: () => void): void {
    if (isTooFast) {
      waiting.add(then);
    } else {
      then();
    }
  }

  private _listen(): void {
    if (!this._listens) {
      this._listens = true;
      document.addEventListener('scroll', this._onScroll, { capture: true, passive: true });
    }
  }

  private readonly _onScroll = ({ target }: Event): void => {
    const scroller = target instanceof Element ? target : document.documentElement;
    const top = scroller.scrollTop;
    const isLeap = Math.abs(top - (this._tops.get(scroller) ?? top)) > LEAP_PX;
    this._tops.set(scroller, top);
    this._leaps = isLeap ? this._leaps + 1 : 0;
    this._moved = performance.now();
    if (this._leaps >= LEAPS) {
      this._leapt = this._moved;
    }
    this._restart();
  };

  private _restart(): void {
    clearTimeout(this._resting);
    this._resting = setTimeout(() => {
      run(this._forRest);
    }, MOVING_MS);
    if (this._leapt === this._moved) {
      clearTimeout(this._slowing);
      this._slowing = setTimeout(() => {
        this._leaps = 0;
        run(this._forReadable);
      }, LEAPING_MS);
    }
  }

  private _listens = false;
  private _leaps = 0;
  private _leapt = -LEAPING_MS;
  private _moved = -MOVING_MS;
  private _resting: ReturnType<typeof setTimeout> | undefined;
  private _slowing: ReturnType<typeof setTimeout> | undefined;
  private readonly _tops = new WeakMap<Element, number>();
  private readonly _forReadable = new Set<() => void>();
  private readonly _forRest = new Set<() => void>();
}

function run(waiting: Set<() => void>): void {
  const all = [...waiting];
  waiting.clear();
  all.forEach(then => {
    then();
  });
}

/** The page's. */
export const scrollActivity = new ScrollActivity();
