// @ts-check
/** Small pieces of Markdown. */

/** Text for one cell of a table, or one paragraph. @param {string} text */
export const cell = (text) => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').trim();

/**
 * A link to a file.
 * @param {string} file  from the root
 * @param {string} up  from the page to the root
 */
export const link = (file, up) => `[${file.replace(/^src\//, '')}](${up}${file})`;
