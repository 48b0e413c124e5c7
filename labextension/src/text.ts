/** Hostile text made honest, and numbers made readable. No markup here. */

// Characters that show nothing but change what a reader sees or copies: bidi controls, zero-width characters,
// fillers, tag characters and variation selectors beyond the emoji ones.
const HIDDEN =
  // eslint-disable-next-line no-misleading-character-class -- each of them is looked for alone
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]+/gu;
// Joiners belong in emoji and in scripts from Arabic to Myanmar; after anything else they only hide.
const LONE_JOINER =
  // eslint-disable-next-line no-misleading-character-class -- as above
  /(?<![\u0590-\u109f\u200c\u200d\u2190-\u2bff\ufe0f\u{1f000}-\u{1faff}])[\u200c\u200d]+/gu;
// eslint-disable-next-line no-control-regex -- controls are what this looks for
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
// eslint-disable-next-line no-control-regex -- as above
const COLOUR_CODE = /\x1b\[[0-9;:]*m/g;
const PLAIN = /^[\t\n\x20-\x7e]*$/;

/** Return `text` with nothing hidden in it: controls become pictures, bidi and zero-width characters code points. */
export function visible(text: string): string {
  if (PLAIN.test(text)) {
    return text;
  }
  return text
    .replace(/\r\n?/g, '\n')
    .replace(CONTROL, controlPicture)
    .replace(HIDDEN, codePoint)
    .replace(LONE_JOINER, codePoint);
}

/** Return what a tool printed with nothing hidden in it; colour codes, which say nothing, are left out. */
export function visibleOutput(text: string): string {
  return visible(text.replace(COLOUR_CODE, ''));
}

function controlPicture(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) {
    return String.fromCharCode(0x2400 + code);
  }
  return code === 0x7f ? '\u2421' : `⟨U+${hex(code)}⟩`;
}

function codePoint(hidden: string): string {
  const points = Array.from(hidden).length;
  const more = points > 1 ? ` and ${points - 1} more` : '';
  return `⟨U+${hex(hidden.codePointAt(0) ?? 0)}${more}⟩`;
}

function hex(code: number): string {
  return code.toString(16).toUpperCase().padStart(4, '0');
}

/** Return `text` honest and on one line, at most `limit` characters long. */
export function oneLine(text: string, limit = 160): string {
  const line = visible(text.slice(0, 2 * limit)).replace(/\s+/g, ' ').trim();
  const cut = text.length > 2 * limit || line.length > limit;
  return cut ? `${line.slice(0, limit - 1).trimEnd()}…` : line;
}

/** Return a duration in words: `0.3 s`, `3 s`, `14 s`, `2 min 5 s`, `1 h 3 min`. */
export function seconds(value: number): string {
  if (value > 0 && value < 0.05) {
    return 'under 0.1 s';
  }
  if (value < 9.95) {
    return `${value.toFixed(1).replace(/\.0$/, '')} s`;
  }
  return wholeSeconds(value);
}

/** Return a duration that ticks, in words without a fraction: `3 s`, `2 min 5 s`. */
export function wholeSeconds(value: number): string {
  const whole = Math.round(value);
  if (whole < 60) {
    return `${whole} s`;
  }
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Return a number of tokens: `842`, `12.1k`, `1.2M`. */
export function count(value: number): string {
  if (value < 1000) {
    return String(value);
  }
  return value < 999_950 ? `${(value / 1000).toFixed(1)}k` : `${(value / 1_000_000).toFixed(1)}M`;
}

/** Return an amount of money: `$0.0213`, `$0.14`, `under $0.0001`. */
export function dollars(value: number): string {
  if (value < 0.00005) {
    return 'under $0.0001';
  }
  return `$${value < 0.1 ? value.toFixed(4).replace(/(\.\d\d\d*?)0+$/, '$1') : value.toFixed(2)}`;
}

/** Return `1 tool`, `2 tools`, or with `many` given, `2 retries`. */
export function plural(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

/** Return the lines of a text, without an empty last one. */
export function linesOf(text: string): string[] {
  if (text === '') {
    return [];
  }
  const lines = text.split('\n');
  if (lines[lines.length - 1] === '') {
    lines.pop();
  }
  return lines;
}
