/**
 * What a text of the model may cost; `claude_magic/rendering/limits.py` holds the same numbers, and a test compares them.
 *
 * Parsers of Markdown take quadratic time for some texts. Measured with marked 16.4.2: 10 KB of `*a **a ` take 2.5 s,
 * 50,000 letters before an `@` 4 to 8 s. With these limits the worst paragraph found takes 0.1 s.
 */

/** Characters of one line, and of one paragraph; a longer one is shown as plain text. */
export const LONGEST_PARAGRAPH = 4_000;
/** Signs of Markdown in one paragraph or list item. */
export const MOST_SIGNS = 200;
/** Signs of Markdown in lines that follow each other without an empty one, such as a table. */
export const MOST_SIGNS_IN_A_ROW = 1_200;
/** Quotes and lists in each other. */
export const DEEPEST = 20;
/** Cells in one row of a table. */
export const MOST_CELLS = 200;
/** Characters of one block of code that is coloured. */
export const LONGEST_CODE = 30_000;
