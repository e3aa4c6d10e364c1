/**
 * Goal: the page of a failure works where it is read. Method: a browser without a window opens it
 * and its keys are pressed; what it shows then is told in the page itself. Without a browser
 * (package chromium) these tests are left out, and say so.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { explore } from '../../src/explore/explore.ts';
import { htmlPage } from '../../src/explore/html.ts';
import { show } from '../../src/explore/show.ts';
import { scenarioNamed } from '../../src/scenarios/registry.ts';
import { resetLockdep } from '../../src/sched/lockdep.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const browser = NAMES.find((name) => spawnSync(name, ['--version']).status === 0);
const why = browser === undefined ? ` (left out: none of ${NAMES.join(', ')} is installed)` : '';

interface Told {
  readonly where: string;
  readonly now: string[];
  readonly later: number;
  readonly locks: string;
  readonly changed: string[];
  readonly graph: string;
  readonly wide: boolean;
  readonly beside: boolean;
  readonly paper: string;
  readonly loaded: number;
  readonly errors: string[];
}

/** Runs in the page, behind its own script. */
const ASK = `
const texts = (s) => [...document.querySelectorAll(s)].map((e) => e.innerText.trim());
const box = (s) => document.querySelector(s).getBoundingClientRect();
const told = {
  where: texts('#where')[0], now: texts('#schedule .now'),
  later: texts('#schedule .later').length, locks: texts('#locks').join(),
  changed: texts('#values .changed'), graph: getComputedStyle(document.querySelector('#graph')).display,
  wide: document.documentElement.scrollWidth > innerWidth,
  beside: box('aside').left >= box('section').right,
  paper: getComputedStyle(document.body).backgroundColor,
  loaded: performance.getEntriesByType('resource').length, errors,
};
document.body.setAttribute('data-told', encodeURIComponent(JSON.stringify(told)));`;

let page = '';

function opened(keys: readonly string[], flags: readonly string[] = []): Told {
  const dir = mkdtempSync(join(tmpdir(), 'foliofs-page-'));
  try {
    const path = join(dir, 'page.html');
    const press = keys.map(
      (key) => `document.dispatchEvent(new KeyboardEvent('keydown', { key: '${key}' }));`,
    );
    const first = `<script>const errors = []; onerror = (m) => errors.push(String(m));</script>`;
    const last = `<script>${press.join('')}${ASK}</script>`;
    const asked = page.replace('<style>', `${first}<style>`).replace('</body>', `${last}</body>`);
    writeFileSync(path, asked);
    const args = ['--headless', '--no-sandbox', '--disable-gpu', '--dump-dom', ...flags];
    const home = `--user-data-dir=${join(dir, 'profile')}`;
    const { stdout } = spawnSync(browser!, [...args, home, `file://${path}`], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    const told = /data-told="([^"]*)"/.exec(stdout)?.[1];
    expect(told, 'the page tells what it shows').toBeDefined();
    return JSON.parse(decodeURIComponent(told!)) as Told;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

beforeEach(resetLockdep);
beforeAll(() => {
  const scenario = scenarioNamed('unlink-writeback')!;
  const variant = { variant: 'no-wait-for-write-back' };
  const { schedule, failure } = explore(scenario, variant);
  const { recording } = show(scenario, schedule!, failure!, variant);
  page = htmlPage(recording, { title: 'a page', command: 'foliofs' });
});

test.skipIf(browser === undefined)(
  `a browser opens the page, nothing is loaded, and nothing is wider than the window${why}`,
  () => {
    const wide = opened([], ['--window-size=1400,900']);
    expect(wide).toMatchObject({ where: 'at the start', now: [], loaded: 0, errors: [] });
    expect(wide).toMatchObject({ wide: false, beside: true, graph: 'none' });
    const narrow = opened(['End'], ['--window-size=700,900']);
    expect(narrow).toMatchObject({ wide: false, beside: false, later: 0, errors: [] });
  },
);

test.skipIf(browser === undefined)(
  `keys lead through the schedule, and folios and inodes change on the way${why}`,
  () => {
    const third = opened(['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp']);
    expect(third.where).toMatch(/^2 of /);
    expect(third.now.join('\n')).toContain('lock(folio)');
    expect(third.changed.join()).toMatch(/\/f folio 0\s+uptodate, dirty\s+uptodate, writeback/);
    const keys = Array<string>(7).fill('ArrowDown');
    const seventh = opened(keys);
    expect(seventh.changed.join()).toMatch(/\/f nlink\s+1\s+0/);
    expect(seventh.locks).toContain('inode.i_rwsem of 12');
  },
);

test.skipIf(browser === undefined)(`it is light or dark as the reader's system is${why}`, () => {
  expect(opened([]).paper).toBe('rgb(255, 255, 255)');
  const dark = opened([], ['--blink-settings=preferredColorScheme=0']);
  expect(dark.paper).toBe('rgb(22, 25, 29)');
});
