// Draws the view without a notebook: writes demo/out/{light,dark}.html, to be looked at in a browser.
import { build } from 'esbuild';
import { mkdir, readFile, writeFile } from 'node:fs/promises';

await mkdir('demo/out', { recursive: true });
const { outputFiles } = await build({
  entryPoints: ['demo/demo.ts'],
  bundle: true,
  format: 'iife',
  target: 'es2022',
  write: false,
  loader: { '.css': 'text' }
});
const script = outputFiles[0].text.replaceAll('</script', '<\\/script');
const page = await readFile('demo/page.html', 'utf8');
for (const theme of ['light', 'dark']) {
  await writeFile(`demo/out/${theme}.html`, page.replace('THEME', theme).replace('SCRIPT', () => script));
}
console.log('demo/out/light.html, demo/out/dark.html');
