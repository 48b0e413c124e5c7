/** Drawing in step: what changed in any run of the page is drawn in one frame, so layout and paint are shared. */

/** How often runs are drawn; what comes sooner waits for the others. A kernel tells of one run as often as this. */
const EVERY_MS = 40;

/** Draws what is wanted, all of it in one frame. */
export class AnimationFrames {
  /** Call this in one of the next frames, once, together with whatever else is waiting then. */
  drawSoon(draw: () => void): void {
    this._wanted.add(draw);
    if (!this._isPlanned) {
      this._isPlanned = true;
      const wait = this._last + EVERY_MS - performance.now();
      if (wait > 0) {
        setTimeout(() => requestAnimationFrame(this._draw), wait);
      } else {
        requestAnimationFrame(this._draw);
      }
    }
  }

  /** Take back what was asked for and not yet done. */
  drawNoMore(draw: () => void): void {
    this._wanted.delete(draw);
  }

  private readonly _draw = (): void => {
    this._last = performance.now();
    this._isPlanned = false;
    const draws = [...this._wanted];
    this._wanted.clear();
    for (const draw of draws) {
      try {
        draw();
      } catch (error) {
        // It is reported like any other, and the other runs are drawn.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  };

  private readonly _wanted = new Set<() => void>();
  private _isPlanned = false;
  private _last = -EVERY_MS;
}

const SHARED = Symbol.for('claude-magic frames, version 1');

/** The page's own: the extension and each widget come with a copy of this module. */
export function pageFrames(): AnimationFrames {
  const page = globalThis as unknown as Record<symbol, AnimationFrames | undefined>;
  return (page[SHARED] ??= new AnimationFrames());
}
