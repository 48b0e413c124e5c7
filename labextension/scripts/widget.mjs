// Bundles the view for ipywidgets, style included, into the Python package.
import { build, transform } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { statSync } from 'node:fs';

const outfile = '../claude_magic/widgets/static/viewer.js';

const smallCss = {
  name: 'small-css',
  setup(bundle) {
    bundle.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const css = await transform(await readFile(path, 'utf8'), { loader: 'css', minify: true });
      return { contents: css.code, loader: 'text' };
    });
  }
};

await build({
  entryPoints: ['src/widget/index.ts'],
  outfile,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  legalComments: 'external',
  mangleProps: /^_[a-z]/, // what is private here
  plugins: [smallCss],
  logLevel: 'warning'
});
console.log(`${outfile}: ${Math.round(statSync(outfile).size / 1000)} kB`);
