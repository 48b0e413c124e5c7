/** The text of prompts that are begun with a click: about a cell, about an error. */

import { promptHead } from '../prompt/prompt_text';

/** What of a traceback goes into a prompt: its end says what went wrong. */
const LONGEST_TRACEBACK = 3_000;
const LONGEST_OUTPUT = 1_500;
const LONGEST_SOURCE = 6_000;
// Colours of a terminal.
// eslint-disable-next-line no-control-regex -- an escape sequence begins with the control character
const COLOURS = /\u001b\[[0-9;]*m/g;

/** What is asked about an error. */
export type Wish = 'explain' | 'fix';

const WISHES: Readonly<Record<Wish, string>> = {
  explain: 'Explain in a few sentences what went wrong and why.',
  fix: 'Fix it: say in a sentence what was wrong, and give the corrected cell.'
};

/** The first line of a prompt in a session. */
export function firstLineOf(session: string): string {
  return session === 'main' ? '%%claude' : `%%claude -s ${/\s/.test(session) ? JSON.stringify(session) : session}`;
}

/** A prompt with nothing in it yet, in the session of a cell if that is a prompt itself. */
export function emptyDraft(above: string): string {
  return `${firstLineOf(promptHead(above)?.session ?? 'main')}\n`;
}

/**
 * A prompt about a cell; what is asked is still to be typed, at its end.
 *
 * @param source - of the cell.
 * @param language - of the cell: "python", or "markdown".
 * @param output - the text that it printed or returned; "" if there is none.
 */
export function draftAboutCell(source: string, language: string, output: string): string {
  if (promptHead(source) !== null) {
    return emptyDraft(source);
  }
  const said = output.trim() === '' ? [] : ['Its output:', fenced('text', cut(output, LONGEST_OUTPUT))];
  return ['%%claude\nAbout this cell:', fenced(language, cut(source, LONGEST_SOURCE)), ...said, ''].join('\n\n');
}

/**
 * A prompt about an error, ready to be sent.
 *
 * @param source - of the cell that failed.
 * @param traceback - as it is shown.
 */
export function draftAboutError(source: string, traceback: string, wish: Wish): string {
  const text = traceback.replace(COLOURS, '').trim();
  const end = text.length > LONGEST_TRACEBACK ? `…${text.slice(-LONGEST_TRACEBACK)}` : text;
  const parts = ['%%claude\nThis cell failed:', fenced('python', cut(source, LONGEST_SOURCE)), fenced('text', end), WISHES[wish]];
  return parts.join('\n\n');
}

/** What is cut is said: the model shall not take it for all. */
function cut(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit)}\n… (${text.length - limit} characters left out)` : text;
}

/** Text in a fence that nothing in it can close. */
function fenced(language: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text.trim()}\n${fence}`;
}
