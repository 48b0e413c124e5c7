import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { AnimationFrames, pageFrames } from '../src/view/animation_frames';

let frames: AnimationFrames;
let drawn: string[];
const a = (): void => void drawn.push('a');
const b = (): void => void drawn.push('b');

beforeEach(() => {
  vi.useFakeTimers();
  vi.advanceTimersByTime(1_000);
  [frames, drawn] = [new AnimationFrames(), []];
});

afterEach(() => {
  vi.useRealTimers();
});

describe('frames', () => {
  it('draw everything that waits in one frame, and each thing once', () => {
    const asked = vi.spyOn(globalThis, 'requestAnimationFrame');
    frames.drawSoon(a);
    frames.drawSoon(b);
    frames.drawSoon(a);
    expect(drawn).toEqual([]);
    vi.advanceTimersByTime(20);
    expect(drawn).toEqual(['a', 'b']);
    expect(asked).toHaveBeenCalledTimes(1);
  });

  it('come at most 25 times a second, and the first at once', () => {
    let times = 0;
    const again = (): void => {
      times++;
      frames.drawSoon(again);
    };
    frames.drawSoon(again);
    vi.advanceTimersByTime(20);
    expect(times).toBe(1);
    vi.advanceTimersByTime(980);
    expect(times).toBeGreaterThan(10);
    expect(times).toBeLessThanOrEqual(25);
  });

  it('draw nothing that was taken back', () => {
    frames.drawSoon(a);
    frames.drawSoon(b);
    frames.drawNoMore(a);
    vi.advanceTimersByTime(20);
    expect(drawn).toEqual(['b']);
  });

  it('draw the others when one fails, and the failure is reported', () => {
    const reported: unknown[] = [];
    vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(report => {
      try {
        report();
      } catch (error) {
        reported.push(error);
      }
    });
    const failure = new Error('cannot be drawn');
    frames.drawSoon(() => {
      throw failure;
    });
    frames.drawSoon(b);
    vi.advanceTimersByTime(20);
    expect(drawn).toEqual(['b']);
    expect(reported).toEqual([failure]);
  });

  it('are shared by all copies of the module that a page loads', async () => {
    vi.resetModules();
    const copy = await import('../src/view/animation_frames');
    expect(copy.AnimationFrames).not.toBe(AnimationFrames);
    expect(copy.pageFrames()).toBe(pageFrames());
  });
});
