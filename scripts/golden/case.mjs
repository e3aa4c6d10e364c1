// @ts-check
/**
 * A golden case: what it is about, how it is made, and what its judges are expected to say.
 *
 * @typedef {object} Case
 * @property {string} name
 * @property {string} about      what the image shows; sentences for its README
 * @property {readonly string[]} features the words of the feature list that it covers
 * @property {(image: import('./image.mjs').Image) => void} make
 * @property {string} [noKernel] why no kernel is asked; absent: the kernel mounts it and is asked
 * @property {boolean} [needsKernel] made by a kernel: root and a loop device
 * @property {number} [fsck]     exit status of `e2fsck -fn`; 0 unless told
 * @property {string} [mountOptions] of the kernel's read-only mount
 * @property {import('./tree.mjs').Tree['refused']} [refused] `linux` is filled in from the two
 *   below
 * @property {string} [mountErrno] what mount(2) must answer to a read-only mount of a refused image
 * @property {string} [mountRwErrno] the same of a read-write mount
 * @property {boolean} [kernelRecovers] e2fsck 1.47.0 fails at it: the kernel alone says what
 *   `recovered.json` is
 * @property {boolean} [recovers] the journal must be replayed: `recovered.json` is the tree after
 *   that
 * @property {boolean} [noTree]  nobody can walk it: `tree.json` holds only the refusal
 * @property {readonly string[]} [skip] fields in which debugfs cannot be compared here
 * @property {Record<string, string>} [errors] names in the root whose reading must fail, and the
 *   errno
 * @property {string} [note]     what a reader of the case must know besides
 * @property {(image: import('./image.mjs').Image) => Record<string, number | string>} [lookups]
 */

/**
 * @param {string} name
 * @param {string} about
 * @param {string} features
 * @param {Case['make']} make
 * @param {Partial<Case>} [more]
 * @returns {Case}
 */
export const golden = (name, about, features, make, more = {}) => ({
  name,
  about,
  features: features.split(' '),
  make,
  ...more,
});
