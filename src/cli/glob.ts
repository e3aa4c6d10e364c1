/** Shell patterns over byte strings. @source POSIX.1-2024, "Pattern Matching Notation"; glob(7) */
const SPECIAL = /[\\^$.|+(){}]/g;

export function globToRegExp(pattern: string, ignoreCase = false): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern.charAt(i);
    if (c === '*') source += '.*';
    else if (c === '?') source += '.';
    else if (c === '\\' && i + 1 < pattern.length) source += escape(pattern.charAt(++i));
    else if (c === '[') {
      const found = /^\[([!^]?)(\]?[^\]]*)\]/.exec(pattern.slice(i));
      if (found === null) source += '\\[';
      else {
        source += `[${found[1] === '' ? '' : '^'}${(found[2] ?? '').replace(/[\\\]^]/g, '\\$&')}]`;
        i += found[0].length - 1;
      }
    } else source += escape(c);
  }
  return new RegExp(`^${source}$`, ignoreCase ? 'is' : 's');
}

const escape = (c: string): string => c.replace(SPECIAL, '\\$&').replace(/[*?[\]]/g, '\\$&');
