// @ts-check
/**
 * Two builds of one source: `dist/` for production, and `dist/checked/` with lockdep, tracepoints
 * and scheduling points. The constant CHECKED is all that differs, so what it guards is removed
 * from the first, not skipped at run time. Declarations go to `dist/types/`.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const ENTRIES = ['src/index.ts', 'src/cli/main.ts', 'bench/main.ts', 'bench/explore-program.ts'];
/** Of no use without scheduling points. */
const CHECKED_ENTRIES = [
  'src/explore/index.ts',
  'src/cli/explore-worker.ts',
  'bench/explore-ext4.ts',
];
/** Entrances of the package, by their declarations. */
const DECLARED = ['dist/types/index.d.ts', 'dist/types/explore/index.d.ts'];

/** @param {string} outdir @param {boolean} checked */
async function bundle(outdir, checked) {
  const files = [...ENTRIES, ...(checked ? CHECKED_ENTRIES : [])].filter((f) => existsSync(f));
  const entryPoints = files.map((file) => ({ in: file, out: file.replace(/^src\/|\.ts$/g, '') }));
  await build({
    entryPoints,
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    sourcemap: true,
    minifySyntax: true, // drops the branches that CHECKED closes; names stay readable
    define: { CHECKED: String(checked) },
    logLevel: 'warning',
  });
  const bin = `${outdir}/cli/main.js`;
  if (existsSync(bin)) chmodSync(bin, 0o755);
}

function declarations() {
  const tsc = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'];
  const { status } = spawnSync(process.execPath, tsc, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  // Some signatures name Disposable, which the default library of our users may lack.
  const reference = '/// <reference lib="esnext.disposable" />\n';
  for (const index of DECLARED) {
    if (existsSync(index)) writeFileSync(index, reference + readFileSync(index, 'utf8'));
  }
}

rmSync('dist', { recursive: true, force: true });
await Promise.all([bundle('dist', false), bundle('dist/checked', true)]);
declarations();
