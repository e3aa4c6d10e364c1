import { writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { checkFile } from '../support/checked.ts';
import { Prng } from '../../src/base/prng.ts';
import { damageImage, damagesOf, recordsOf, withDamage } from './damage.ts';

const cases: [string, string[], boolean][] = [
  ['nocsum', ['-t', 'ext4', '-b', '1024', '-N', '256', '-O', '^metadata_csum,^has_journal,^resize_inode'], true],
  ['ext3', ['-t', 'ext3', '-b', '1024', '-N', '256', '-I', '128', '-J','size=1'], false],
  ['csum', ['-t', 'ext4', '-b', '1024', '-N', '256', '-J', 'size=1'], true],
  ['inline', ['-t', 'ext4', '-b', '1024', '-N', '256', '-O', '^metadata_csum,^has_journal,^resize_inode,inline_data,large_dir'], true],
  ['quota', ['-t', 'ext4', '-b', '1024', '-N', '256', '-O', '^has_journal,^resize_inode,quota,project,orphan_file', '-E', 'quotatype=usrquota:grpquota:prjquota'], true],
  ['bigalloc', ['-t', 'ext4', '-b', '1024', '-N', '256', '-O', '^metadata_csum,^has_journal,^resize_inode,bigalloc', '-C', '4096'], true],
];
for (const [name, args, indexed] of cases) {
  if (process.env['CASE'] && process.env['CASE'] !== name) continue;
  test(name, () => {
    const image = damageImage(args, indexed);
    const f = image.fsck();
    console.log(image.fsck().output.split('\n').slice(0,20).join('\n'));
    if (f.code !== 0) { spawnSync('e2fsck', ['-fy', image.path]); }
    if (indexed) spawnSync('e2fsck', ['-fyD', image.path]);
    expect(image.fsck().code).toBe(0);
    expect(checkFile(image.path).problems).toEqual([]);
    const bytes = image.bytes(); let tt = 0, to = 0;
    const lines: string[] = [];
    let n = 0, agree = 0;
    const rnd = new Prng(7);
    const where: number[] = [];
    bytes.forEach((b, i) => { if (b !== 0 && i >= 1024) where.push(i); });
    const flips = Array.from({ length: 700 }, () => { const at = where[rnd.below(where.length)]!; const bit = rnd.below(8); return { what: `flip ${at} (block ${at >> 10} + ${at & 1023}) bit ${bit}`, at, bytes: new Uint8Array([bytes[at]! ^ (1 << bit)]) }; });
    for (const d of [...(process.env['FLIPS'] ? [] : recordsOf(image, indexed).flatMap((r) => damagesOf(bytes, r))), ...flips]) {
      withDamage(image.path, d, () => {
        n++;
        const t0 = performance.now(); const theirs = { code: spawnSync('timeout', ['5', 'e2fsck', '-fn', image.path], { stdio: 'ignore' }).status, output: '' };
        const t1 = performance.now(); tt += t1 - t0; if (t1-t0 > 1000) console.log('slow e2fsck', d.what, t1-t0); let ours: string[] ; let count = 0;
        try { const { problems } = checkFile(image.path); count = problems.length; ours = problems.slice(0, 4).map((p) => `${p.code}: ${p.text}`); }
        catch (e) { ours = [String(e)]; count = -1; if (!(e as {code?: string}).code) lines.push('CRASH ' + (e as Error).stack); }
        const t2 = performance.now(); to += t2 - t1; if (t2 - t1 > 300) console.log('slow ours', d.what, t2 - t1); if ((theirs.code === 0) === (count === 0)) { agree++; return; }
        theirs.output = String(spawnSync('sh', ['-c', `timeout 5 e2fsck -fn ${image.path} 2>&1 | head -c 4000`]).stdout); lines.push(`${d.what}: e2fsck ${theirs.code}, ours ${count}`, ...ours.map((o) => '    + ' + o), ...theirs.output.split('\n').filter((l) => !/^(Pass|e2fsck|\s*$)/.test(l)).slice(0, 6).map((l) => '    - ' + l));
      });
    }
    lines.unshift(`theirs ${tt.toFixed(0)} ms, ours ${to.toFixed(0)} ms; ${name}: ${agree} of ${n} agree`);
    writeFileSync(`/tmp/check-perf/explore-${name}.txt`, lines.join('\n'));
  }, 600_000);
}
