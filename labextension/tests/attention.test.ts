import { Notification } from '@jupyterlab/apputils';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Attention } from '../src/attention';
import type { Asked } from '../src/attention';
import type { Question } from '../src/protocol';

vi.mock('@jupyterlab/apputils', () => ({ Notification: { warning: vi.fn(() => 'shown'), dismiss: vi.fn() } }));

const question = { id: 'q1', title: 'Run this command?', tool: 'Bash' } as Question;
const asked = (inSight: boolean): Asked => ({ title: 'a.ipynb', isInSight: () => inSight, show: vi.fn() });

describe('a question', () => {
  beforeEach(() => vi.useFakeTimers());

  afterEach(() => {
    vi.useRealTimers();
    vi.clearAllMocks();
  });

  it('out of sight is announced once, with a way to it', () => {
    const attention = new Attention();
    const place = asked(false);
    attention.update([question], place);
    vi.runAllTimers();
    attention.update([question], place);
    vi.runAllTimers();
    expect(Notification.warning).toHaveBeenCalledTimes(1);
    const [words, options] = vi.mocked(Notification.warning).mock.calls[0] ?? [];
    expect(words).toBe('Claude asks in a.ipynb: Run this command?');
    options?.actions?.[0]?.callback(new MouseEvent('click'));
    expect(place.show).toHaveBeenCalledTimes(1);
  });

  it('in sight is not announced', () => {
    new Attention().update([question], asked(true));
    vi.runAllTimers();
    expect(Notification.warning).not.toHaveBeenCalled();
  });

  it('that is answered is announced no more', () => {
    const attention = new Attention();
    attention.update([question], asked(false));
    attention.update([], asked(false));
    vi.runAllTimers();
    expect(Notification.warning).not.toHaveBeenCalled();
    attention.update([question], asked(false));
    vi.runAllTimers();
    attention.dispose();
    expect(Notification.dismiss).toHaveBeenCalledWith('shown');
  });
});
