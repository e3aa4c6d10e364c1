import { writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { test } from 'vitest';
import { checkFile } from '../support/checked.ts';
import { Prng } from '../../src/base/prng.ts';
import { withDamage } from './damage.ts';
import { goldenImage, goldenManifest, goldenNames, goldenPath } from '../support/images.ts';
test('golden flips', () => {
  const lines: string[] = [];
  let n = 0, agree = 0;
  for (const name of goldenNames()) {
    const e = goldenManifest[name]!;
    if (e.fsck !== 0 || e.size > (8 << 20)) continue;
    using image = goldenPath(name);
    const bytes = goldenImage(name);
    const rnd = new Prng(11);
    const where: number[] = [];
    bytes.forEach((b, i) => { if (b !== 0 && i >= 1024) where.push(i); });
    for (let k = 0; k < Number(process.env['K'] ?? 30); k++) {
      const at = where[rnd.below(where.length)]!; const bit = rnd.below(8);
      const d = { what: `${name} flip ${at} (1k block ${at >> 10} + ${at & 1023}) bit ${bit}`, at, bytes: new Uint8Array([bytes[at]! ^ (1 << bit)]) };
      withDamage(image.path, d, () => {
        n++;
        const code = spawnSync('timeout', ['5', 'e2fsck', '-fn', image.path], { stdio: 'ignore' }).status;
        let ours: string[]; let count = 0;
        try { const { problems } = checkFile(image.path); count = problems.length; ours = problems.slice(0, 4).map((p) => `${p.code}: ${p.text}`); }
        catch (er) { ours = [String(er)]; count = -1; if (!(er as {code?: string}).code) lines.push('CRASH ' + (er as Error).stack); }
        if ((code === 0) === (count === 0)) { agree++; return; }
        const out = String(spawnSync('sh', ['-c', `timeout 5 e2fsck -fn ${image.path} 2>&1 | head -c 4000`]).stdout);
        lines.push(`${d.what}: e2fsck ${code}, ours ${count}`, ...ours.map((o) => '    + ' + o), ...out.split('\n').filter((l) => !/^(Pass|e2fsck|\s*$)/.test(l)).slice(0, 6).map((l) => '    - ' + l));
      });
    }
  }
  lines.unshift(`${agree} of ${n} agree`);
  writeFileSync(`/tmp/check-perf/explore2.txt`, lines.join('\n'));
}, 600_000);
