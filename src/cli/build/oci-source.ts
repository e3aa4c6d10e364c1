/**
 * An OCI image layout as a source: its layers, the lowest first, with their whiteouts.
 * @source OCI image-spec: image-layout.md, image-index.md, manifest.md, layer.md
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../errors.ts';
import { addArchive } from './archive-source.ts';
import type { MergedTree } from './merged-tree.ts';
import type { Spools } from './spool.ts';

interface Descriptor {
  readonly mediaType?: string;
  readonly digest: string;
  readonly platform?: { readonly os?: string; readonly architecture?: string };
}
interface Document {
  readonly manifests?: readonly Descriptor[];
  readonly layers?: readonly Descriptor[];
}

/** An index may hold an index, but not for ever. */
const MAX_DEPTH = 8;
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

export const isOciLayout = (dir: string): boolean =>
  existsSync(join(dir, 'oci-layout')) && existsSync(join(dir, 'index.json'));

export async function addOciLayout(tree: MergedTree, dir: string, spools: Spools): Promise<void> {
  const manifest = findManifest(dir, parse(readFileSync(join(dir, 'index.json'), 'utf8')), 0);
  for (const { digest } of manifest.layers ?? []) {
    const { path, hash } = blobOf(dir, digest);
    tree.nextLayer();
    addArchive(tree, await spools.archive(path, hash), { whiteouts: true });
  }
}

function findManifest(dir: string, doc: Document, depth: number): Document {
  if (doc.layers) return doc;
  const { manifests = [] } = doc;
  const arch = ARCHITECTURES[process.arch] ?? process.arch;
  const fits = manifests.filter(
    ({ platform: p }) => !p || (p.os === 'linux' && p.architecture === arch),
  );
  const chosen = fits[0] ?? manifests[0];
  if (chosen === undefined || depth > MAX_DEPTH) {
    throw new CliError('ENOENT', 'the OCI layout names no image');
  }
  const { path, hash } = blobOf(dir, chosen.digest);
  const data = readFileSync(path);
  if (createHash('sha256').update(data).digest('hex') !== hash) {
    throw new CliError('EBADMSG', `${chosen.digest}: its content is not what its digest says`);
  }
  return findManifest(dir, parse(data.toString('utf8')), depth + 1);
}

function blobOf(dir: string, digest: string): { path: string; hash: string } {
  const hash = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (hash === undefined) throw new CliError('EOPNOTSUPP', `${digest}: only sha256 is known here`);
  return { path: join(dir, 'blobs', 'sha256', hash), hash };
}

function parse(text: string): Document {
  try {
    return JSON.parse(text) as Document;
  } catch {
    throw new CliError('EBADMSG', 'a JSON document of the OCI layout is damaged');
  }
}
