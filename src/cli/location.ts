/**
 * Where a path is: `IMAGE:/path` inside an image, anything else on the host.
 */
import { type Name, nameFromText, nameToText } from '../base/name.ts';
import { UsageError } from './errors.ts';

export interface Location {
  /** File name of the image on the host; null: the path is the host's. */
  readonly image: string | null;
  /** As bytes; absolute inside an image. */
  readonly path: Name;
}

/**
 * `disk.img:/etc`, `dir/disk.img:/`, `disk.img:` and `disk.img:etc` are inside an image; as with
 * scp a slash before a colon makes a host's name of `./a:b`, unless a slash follows the colon.
 */
export function parseLocation(text: string): Location {
  const rooted = /^(.+?):(?=\/|$)/.exec(text) ?? /^([^/:]+):/.exec(text);
  const image = rooted?.[1];
  if (image === undefined) return { image: null, path: nameFromText(text) };
  const rest = text.slice(image.length + 1);
  return { image, path: nameFromText(rest.startsWith('/') ? rest : `/${rest}`) };
}

/** An argument that can only mean the inside of an image: a bare image is its root. */
export function imageLocation(text: string): Location & { image: string } {
  const { image, path } = parseLocation(text);
  if (image !== null) return { image, path };
  return { image: text, path: '/' as Name };
}

/** The same, but the path must be given: for what changes or removes it. */
export function insideImage(text: string): Location & { image: string } {
  const { image, path } = parseLocation(text);
  if (image === null) throw new UsageError(`${text}: expected IMAGE:/path`);
  return { image, path };
}

export const showLocation = (image: string | null, path: Name): string =>
  image === null ? nameToText(path) : `${image}:${nameToText(path)}`;

/** Last component, without trailing slashes; '' of a root. */
export function baseName(path: Name): Name {
  const parts = path.split('/').filter((part) => part !== '');
  return (parts.at(-1) ?? '') as Name;
}

export const joinPath = (dir: Name, name: Name): Name =>
  (dir.endsWith('/') ? dir + name : `${dir}/${name}`) as Name;

/** All but the last component. */
export function parentOf(path: Name): Name {
  const at = path.replace(/\/+$/, '').lastIndexOf('/');
  if (at < 0) return '.' as Name;
  return (at === 0 ? '/' : path.slice(0, at)) as Name;
}
