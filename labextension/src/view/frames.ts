/** Drawing in step: what changed in any run of the page is drawn in one frame, so layout and paint are shared. */

/** How often runs are drawn; what comes sooner waits for the others. A kernel tells of one run as often as this. */
const EVERY_MS = 40;

const wanted = new Set<() => void>();
let isPlanned = false;
let last = -EVERY_MS;

/** Call this in one of the next frames, once, together with whatever else is waiting then. */
export function drawSoon(draw: () => void): void {
  wanted.add(draw);
  if (!isPlanned) {
    isPlanned = true;
    const wait = last + EVERY_MS - performance.now();
    if (wait > 0) {
      setTimeout(() => requestAnimationFrame(drawWanted), wait);
    } else {
      requestAnimationFrame(drawWanted);
    }
  }
}

/** Take back what was asked for and not yet done. */
export function drawNoMore(draw: () => void): void {
  wanted.delete(draw);
}

function drawWanted(): void {
  last = performance.now();
  isPlanned = false;
  const draws = [...wanted];
  wanted.clear();
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
}
