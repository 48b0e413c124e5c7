// Removes everything that was built.
import { rmSync } from 'node:fs';

for (const path of ['lib', 'src/limits.ts', 'demo/out', '../claude_magic/labextension', '../claude_magic/widgets/static']) {
  rmSync(path, { recursive: true, force: true });
}
