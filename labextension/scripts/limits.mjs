// Makes src/limits.ts from the table of the Python package: the kernel and the page have the same limits.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const folder = new URL('..', import.meta.url);
const table = JSON.parse(readFileSync(new URL('../claude_magic/rendering/limits.json', folder), 'utf8'));
const target = new URL('src/limits.ts', folder);
const lines = Object.entries(table).map(([name, { value, meaning }]) => `/** ${meaning} */\nexport const ${name} = ${value};\n`);
const made = `/* Made by scripts/limits.mjs from claude_magic/rendering/limits.json: change it there. */\n\n${lines.join('')}`;

// What has not changed keeps its time, so that nothing is built again for it.
if (!existsSync(target) || readFileSync(target, 'utf8') !== made) {
  writeFileSync(target, made);
}
