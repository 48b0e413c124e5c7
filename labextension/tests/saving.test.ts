import { describe, expect, it } from 'vitest';

import { saveInTurn } from '../src/saving';

/** A document whose saves end when they are told to. */
class Document {
  readonly ends: ((error?: Error) => void)[] = [];

  save = (): Promise<void> =>
    new Promise((resolve, reject) => {
      this.ends.push(error => {
        if (error === undefined) {
          resolve();
        } else {
          reject(error);
        }
      });
    });
}

const settle = (): Promise<void> => new Promise(resolve => setTimeout(resolve));

describe('saves of one document', () => {
  it('begin when the one before is over', async () => {
    const document = new Document();
    saveInTurn(document);
    const first = document.save();
    await settle();
    const second = document.save();
    await settle();
    expect(document.ends).toHaveLength(1);
    document.ends[0]?.();
    await first;
    await settle();
    expect(document.ends).toHaveLength(2);
    document.ends[1]?.();
    await second;
  });

  it('are one save where they wait for the same', async () => {
    const document = new Document();
    saveInTurn(document);
    void document.save();
    await settle();
    expect(document.save()).toBe(document.save());
    document.ends[0]?.();
    await settle();
    expect(document.ends).toHaveLength(2);
  });

  it('go on after one that failed', async () => {
    const document = new Document();
    saveInTurn(document);
    const first = document.save();
    await settle();
    document.ends[0]?.(new Error('disk full'));
    await expect(first).rejects.toThrow('disk full');
    void document.save();
    await settle();
    expect(document.ends).toHaveLength(2);
  });

  it('wait for what runs between them, and are put in turn once', async () => {
    const document = new Document();
    const queue = saveInTurn(document);
    expect(saveInTurn(document)).toBe(queue);
    let done = (): void => undefined;
    const between = queue.run(() => new Promise<void>(resolve => (done = resolve)));
    void document.save();
    await settle();
    expect(document.ends).toHaveLength(0);
    done();
    await between;
    await settle();
    expect(document.ends).toHaveLength(1);
  });
});
