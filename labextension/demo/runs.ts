/** Runs to look at: a question that waits, a finished one, a stopped one, a failed one, a form, a long one. */

import type { Part, Question, RunData, ToolPart } from '../src/protocol';

function tool(id: string, name: string, input: Record<string, unknown>, more: Partial<ToolPart> = {}): ToolPart {
  const base = { keys: [], edited: false, todos: [], result: '', patch: [], pictures: [], is_error: false, state: 'done' as const, parent: '', duration_s: 0.1, started: 0 };
  return { type: 'tool', id, name, input, ...base, ...more };
}

const OLD = `def clean(df):
    df["price"] = pd.to_numeric(df["price"], errors="coerce")
    return df.dropna(subset=["price"])
`;
const NEW = `def clean(df):
    plain = df["price"].astype("string").str.replace(",", "")
    df["price"] = pd.to_numeric(plain, errors="coerce")
    return df.dropna(subset=["price"])
`;

const working: Partial<RunData> = {
  run: 'one',
  live: true,
  session: 'cleanup',
  model: 'claude-opus-4-1-20250805',
  mode: 'default',
  filled: 'filled in: sales (DataFrame, 4,870 × 6)',
  parts: [
    { type: 'thinking', text: 'The loader uses to_numeric with coerce.', duration_s: 3.1 },
    {
      type: 'text',
      text: 'The parser treats `1,299` as text, so `to_numeric` turns it into a missing value and the row is dropped. I will strip the separators before the conversion.'
    },
    tool('r', 'Read', { file_path: 'etl/load.py' }, { result: 'line\n'.repeat(64) }),
    tool('e', 'Edit', { file_path: 'etl/load.py', old_string: OLD, new_string: NEW }, { result: '    21→def clean(df):\n' }),
    tool('a', 'Agent', { description: 'who else parses prices?', subagent_type: 'Explore' }, { duration_s: 9, result: 'Nobody.' }),
    tool('g', 'Grep', { pattern: 'to_numeric' }, { parent: 'a', result: 'a\nb' }),
    tool('h', 'Read', { file_path: 'etl/report.py' }, { parent: 'a', result: 'a\nb' }),
    tool('t', 'TaskUpdate', { taskId: '3', status: 'in_progress' }, {
      todos: [
        { text: 'Find where rows are lost', status: 'completed' },
        { text: 'Strip separators before converting', status: 'completed' },
        { text: 'Run the tests', status: 'in_progress' },
        { text: 'Say what changed', status: 'pending' }
      ]
    }),
    tool('b', 'Bash', { command: 'python -m pytest tests/test_load.py -q' }, { state: 'waiting' })
  ]
};

const permission: Question = {
  id: 'q',
  token: 't',
  tool_use_id: 'b',
  tool: 'Bash',
  title: 'Run this command?',
  input: { command: 'python -m pytest tests/test_load.py -q', description: 'Run the loader tests' },
  editable: 'command',
  kind: 'permission',
  plan: '',
  grants: ['python -m pytest *', 'exactly this command', 'all of Bash'], patch: []
};

const summary: Partial<RunData> = {
  session: 'cleanup',
  model: 'opus',
  outcome: 'success',
  parts: [
    { type: 'note', text: 'The service was overloaded: 2 retries, 3.1 s' },
    {
      type: 'text',
      text:
        'One function changed; **212 of 4,870 rows** come back.\n\n```python\nbefore = raw.dropna(subset=["price"])\nafter = clean(raw)\n' +
        'len(after) - len(before)\n```\n\n### What came back\n\n| month | rows before | rows after |\n|---|--:|--:|\n| January | 1,560 | 1,622 |\n| February | 1,499 | 1,581 |\n\n' +
        '- prices with a *thousands separator*\n- prices with a trailing space\n\n> Prices in other currencies are untouched, see [the docs](https://example.org).\n'
    }
  ],
  usage: { input_tokens: 320, output_tokens: 842, cache_read_tokens: 11_000, cache_write_tokens: 780 },
  cost_usd: 0.0213,
  duration_s: 8.4,
  ttft_s: 0.3,
  session_cost_usd: 0.14,
  context: { used: 36_000, max: 200_000 },
  edits: 1
};

const WIDE = [
  'Here is what each region sold; the last column says what to look at first.',
  '',
  '| region and shop | month | orders | revenue | margin | returned | stock left | main product | what to look at |',
  '|---|---|---|---|---|---|---|---|---|',
  '| North, harbour street | 2026-09 | 1,204 | $48,160.20 | 31.5 % | 12 | 340 | espresso beans | deliveries arrive late on Mondays, so the shelf is empty until noon |',
  '| North, station | 2026-09 | 87 | $3,480.00 | 8.2 % | 0 | 21 | `filter-papers` | opening hours |',
  '| South | 2026-10 | 15,930 | $637,200.75 | -2.1 % | 1,018 | n/a | cups | the price of cups fell in **week 41** |',
  '| East | 2026-10 | 9 | $360.00 | 40 % | 1 | 2 | mills | too few orders to say |',
  ''
].join('\n');

const wide: Partial<RunData> = {
  session: 'sales',
  model: 'claude-opus-4-8',
  outcome: 'success',
  parts: [{ type: 'text', text: WIDE }],
  duration_s: 3.1
};

const stopped: Partial<RunData> = {
  session: 'main',
  model: 'sonnet',
  outcome: 'interrupted',
  notice: 'Stopped by you. The text is kept and the session is warm: prompt again to go on.',
  parts: [
    { type: 'text', text: 'There are three ways to speed this join up. The first is to sort both frames by' },
    tool('c', 'Bash', { command: 'python profile_join.py --rows 5_000_000' }, { state: 'cancelled', duration_s: 6 })
  ],
  usage: { input_tokens: 9_800, output_tokens: 61, cache_read_tokens: 0, cache_write_tokens: 0 },
  cost_usd: 0.011,
  estimated: true,
  duration_s: 6.2
};

const failed: Partial<RunData> = {
  session: 'report',
  model: 'haiku',
  simulated: true,
  outcome: 'error',
  error: 'Rate limit reached, it resets at 14:30 UTC.',
  notice: 'Prompt again after 14:30 UTC.',
  parts: [
    tool('f', 'Bash', { command: 'make report' }, { state: 'failed', is_error: true, result: 'make: *** No rule to make target. Stop.', duration_s: 0.4 }),
    tool('d', 'Write', { file_path: 'out.txt', content: 'a\nb\n' }, { state: 'denied', is_error: true, result: 'denied' })
  ],
  duration_s: 3.3
};

const form: Partial<RunData> = { run: 'two', live: true, session: 'plan', model: 'opus', mode: 'plan', parts: [] };

const questions: Question = {
  id: 'w',
  token: 't',
  tool_use_id: 'x',
  tool: 'AskUserQuestion',
  title: 'Claude asks',
  editable: '',
  kind: 'questions',
  plan: '',
  grants: [], patch: [],
  input: {
    questions: [
      {
        question: 'Which file format should the export use?',
        header: 'Format',
        options: [
          { label: 'Parquet', description: 'small and typed' },
          { label: 'CSV', description: 'opens anywhere' }
        ]
      },
      {
        question: 'What should be in it?',
        header: 'Content',
        multiSelect: true,
        options: [{ label: 'Prices' }, { label: 'Customers' }]
      }
    ]
  }
};

const long: Partial<RunData> = {
  run: 'three',
  live: true,
  session: 'refactor',
  model: 'opus',
  mode: 'acceptEdits',
  parts: [
    { type: 'text', text: 'I look at every module first.' },
    ...Array.from({ length: 40 }, (_, at): Part => tool(`n${at}`, at % 3 ? 'Read' : 'Bash', at % 3 ? { file_path: `pkg/module_${at}.py` } : { command: `wc -l pkg/module_${at}.py` }, { result: 'x' })),
    tool('run', 'Bash', { command: 'python -m pytest -x -q' }, { state: 'running', started: Date.now() / 1000 - 6 })
  ]
};

export const RUNS: { run: Partial<RunData>; questions?: Question[] }[] = [
  { run: working, questions: [permission] },
  { run: summary },
  { run: wide },
  { run: stopped },
  { run: failed },
  { run: form, questions: [questions] },
  { run: long }
];
