// @ts-check
/** The README of a golden case: what it is, how it was made, what its judges said. */

/**
 * @param {import('./case.mjs').Case} kase
 * @param {import('./image.mjs').Image} image
 * @param {import('./tree.mjs').Tree} tree
 * @param {readonly string[]} differences
 * @param {boolean} kept
 */
export function readme(kase, image, tree, differences, kept) {
  const parts = [`# ${kase.name}`, kase.about];
  if (kase.note) parts.push(kase.note);
  if (tree.refused) {
    const { errno, feature, why, readOnly, linux } = tree.refused;
    const what = readOnly ? 'Opens read-only' : `Does not open: ${errno}`;
    parts.push(
      `**${what}**${feature ? ` (\`${feature}\`)` : ''}: ${why}.${linux ? ` mount(2) of Linux: ${linux}.` : ''}`,
    );
  }
  if (kase.recovers) parts.push('`recovered.json` is the tree after the journal was replayed.');
  parts.push(`Covers: ${kase.features.map((f) => `\`${f}\``).join(' ')}`);
  parts.push(`## Made by\n\n${fence(image.log)}`);
  if (!kept)
    parts.push(`Too large to be kept: \`node scripts/make-golden.mjs ${kase.name}\` makes it.`);
  const judges = [`- \`e2fsck -fn\` exits ${kase.fsck ?? 0}.`];
  if (tree.source.length > 0)
    judges.push(`- \`tree.json\` is the view of ${tree.source.join(', checked with ')}.`);
  if (kase.noKernel) judges.push(`- No kernel was asked: ${kase.noKernel}.`);
  parts.push(`## Judges\n\n${judges.join('\n')}`);
  if (differences.length > 0) {
    const shown = differences.slice(0, 12);
    if (differences.length > 12) shown.push(`... ${differences.length - 12} more`);
    parts.push(
      `Where they differ (kernel / debugfs; the kernel's view is kept):\n\n${fence(shown)}`,
    );
  }
  return `${parts.join('\n\n')}\n`;
}

/** @param {readonly string[]} lines */
const fence = (lines) => `\`\`\`text\n${lines.map((l) => clip(l)).join('\n')}\n\`\`\``;

/** @param {string} line */
const clip = (line) =>
  (line.length > 220 ? `${line.slice(0, 200)}... (${line.length} characters)` : line).replace(
    /[^ -~]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
