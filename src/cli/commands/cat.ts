/** cat: contents to standard output. */
import type { Cli } from '../context.ts';
import { CliError } from '../errors.ts';
import { insideImage } from '../location.ts';
import { printJson, writeBytes } from '../output.ts';
import { isDir } from '../tree.ts';

const CHUNK = 1 << 20;

export function cat(cli: Cli, paths: readonly string[]): void {
  const places = paths.map(insideImage);
  const buffer = new Uint8Array(CHUNK);
  cli.withImages([], () => {
    cli.each(places, ({ image, path }) => {
      const tree = cli.image(image);
      if (isDir(tree.stat(path))) throw new CliError('EISDIR', 'is a directory');
      const file = tree.open(path);
      try {
        for (let pos = 0; ;) {
          const n = file.read(buffer, pos);
          if (n === 0) break;
          const data = buffer.subarray(0, n);
          if (cli.json) printJson(piece(tree.show(path), pos, data));
          else writeBytes(data);
          pos += n;
        }
      } finally {
        file.close();
      }
    });
  });
}

const piece = (path: string, offset: number, data: Uint8Array): object => ({
  path,
  offset,
  length: data.length,
  base64: Buffer.from(data).toString('base64'),
});
