/** What a card says of the tools of the kernel. */

import { expect, test } from 'vitest';

import { codeInput, tellingArgument, toolTitle } from '../src/tools';

const told = (name: string, input: Record<string, unknown>): [string, string] => [
  toolTitle(`mcp__kernel__${name}`),
  tellingArgument({ name: `mcp__kernel__${name}`, input, todos: [] })
];

test.each([
  ['list_variables', {}, ['Look at variables', '']],
  ['list_variables', { pattern: 'sales*' }, ['Look at variables', 'sales*']],
  ['inspect', { name: 'df["price"]' }, ['Look at', 'df["price"]']],
  ['run_python', { code: '\n\nx = 1\ny', purpose: 'Count' }, ['Run Python', 'Count']],
  ['run_python', { code: '\n\nx = 1\ny', purpose: '' }, ['Run Python', 'x = 1']],
  ['add_cell', { source: '# A title', cell_type: 'markdown' }, ['Add cell', '# A title']],
  ['edit_cell', { cell_id: 'a', version: 'b', source: 'new = 2' }, ['Edit cell', 'new = 2']],
  ['delete_cell', { cell_id: 'a', version: 'b' }, ['Delete cell', 'a']],
  ['read_cells', { which: ['a', 'b'] }, ['Read cells', 'a, b']]
])('%s %j is told in words', (name, input, words) => {
  expect(told(name, input)).toEqual(words);
});

test('code of the kernel has its language', () => {
  expect(codeInput({ name: 'mcp__kernel__add_cell', input: { source: '*x*', cell_type: 'markdown' } })).toEqual({
    field: 'source',
    code: '*x*',
    language: 'markdown'
  });
  expect(codeInput({ name: 'mcp__kernel__run_python', input: { code: 'x' } })?.language).toBe('python');
  expect(codeInput({ name: 'mcp__kernel__run_python', input: {} })).toBeNull();
  expect(codeInput({ name: 'Bash', input: { code: 'x' } })).toBeNull();
});
