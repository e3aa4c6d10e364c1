import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { mkfs, open } from '../../src/index.ts';
test('log', async () => {
  const img = '/tmp/x/a.img';
  await mkfs(img, { size: 64 << 20, label: 'demo' });
  const v = await open(img);
  const fs = v.fs;
  console.log('opened');
  for (let i = 0; i < 300; i++) {
    fs.mkdirSync(`/d${i}`);
    fs.writeFileSync(`/d${i}/f`, new Uint8Array(5000).fill(i));
    if (i % 50 === 0) console.log(i);
    if (i % 10 === 0) { const fd = fs.openSync(`/d${i}/f`, 'r+'); fs.fsyncSync(fd); fs.closeSync(fd); }
  }
  for (let i = 0; i < 300; i += 3) { fs.unlinkSync(`/d${i}/f`); fs.rmdirSync(`/d${i}`); }
  execFileSync('cp', [img, '/tmp/x/dirty.img']);
  await v.close();
  console.log(execFileSync('sh', ['-c', `e2fsck -fn ${img}; dumpe2fs -h ${img} 2>/dev/null| egrep 'features|state|Journal'; cd /tmp/x; dumpe2fs -h dirty.img | egrep 'features|Journal|state'; debugfs -R 'logdump' dirty.img | tail -20; e2fsck -fy dirty.img; e2fsck -fn dirty.img`, ], {stdio: ['ignore','pipe','inherit']}).toString());
  expect(1).toBe(1);
});
