/**
 * Goal: the page of a failure shows every step, and nothing of it comes from elsewhere. Method: its
 * text, its elements, and its script run against a stand-in for the document.
 */
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { linesOf } from '../../src/explore/diagram.ts';
import { htmlPage } from '../../src/explore/html.ts';
import * as model from '../../src/explore/program.ts';
import { record, type Recording } from '../../src/explore/record.ts';
import { parseSchedule } from '../../src/explore/schedule.ts';

const EVIL = `</script><script>alert("1" + '2')</script>&<!--`;

/** Two tasks that deadlock, the first with a name that means harm. */
function deadlock(): Recording {
  const [a, b, x] = [0, 1, 64];
  const program: model.Program<{ x: number; what: string }> = {
    locks: 2,
    names: [`first ${EVIL}`, 'second'],
    objects: { 0: 'A', 1: 'B', 64: 'x' },
    init: () => ({ x: 0, what: EVIL }),
    tasks: (s) => [
      (function* (): model.Steps {
        yield model.lock(a);
        yield model.write(x);
        s.x = 1;
        yield model.lock(b);
      })(),
      (function* (): model.Steps {
        yield model.lock(b);
        yield model.lock(a);
      })(),
    ],
  };
  return record(new model.ProgramSystem(program), parseSchedule('1-0*2.1'));
}

const recording = deadlock();
const page = htmlPage(recording, { title: `two ${EVIL}`, subtitle: 'a & b', command: "x '1-0'" });

/** The elements of a page, in order; throws where one is not closed or was never opened. */
function elements(html: string): string[] {
  const EMPTY = new Set(['meta', 'input', '!doctype']);
  const open: string[] = [];
  const met: string[] = [];
  const tag = /<(\/?)([!a-z][a-z0-9]*)((?:[^>"']|"[^"]*"|'[^']*')*)>/gi;
  for (let m = tag.exec(html); m !== null; m = tag.exec(html)) {
    const [, close, name = ''] = m;
    if (close === '/') {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
      continue;
    }
    met.push(name);
    if (EMPTY.has(name)) continue;
    open.push(name);
    // What stands in these two is no markup.
    if (name !== 'script' && name !== 'style') continue;
    tag.lastIndex = html.indexOf(`</${name}>`, tag.lastIndex);
  }
  if (open.length > 0) throw new Error(`not closed: ${open.join()}`);
  return met;
}

/** The text of the n-th element of that name. */
const inside = (name: string, n: number): string =>
  [...page.matchAll(new RegExp(`<${name}[^>]*>([^]*?)</${name}>`, 'g'))][n]![1]!;

test('every element is closed, and there are the two scripts that we wrote', () => {
  const met = elements(page);
  expect(met.filter((name) => name === 'script')).toHaveLength(2);
  expect(met.filter((name) => name === 'style')).toHaveLength(1);
  expect(() => elements('<p><b></p>')).toThrow('</p> closes nothing');
});

test('nothing is loaded from anywhere, and what is shown is no markup', () => {
  expect(page).not.toMatch(/https?:|\/\/[a-z]|\bsrc=|\bhref=|@import|url\((?!#)/i);
  expect(page).toContain("default-src 'none'");
  expect(page).not.toContain('<script>alert');
  expect(page).toContain('&lt;/script&gt;&lt;script&gt;alert(&quot;1&quot; + &#39;2&#39;)');
  expect(JSON.parse(inside('script', 0))).toMatchObject({ names: [`first ${EVIL}`, 'second'] });
});

test('every step has its row, in the column of its task', () => {
  const rows = [...page.matchAll(/<tr data-step="(\d+)"[^>]*>(.*?)<\/tr>/g)].map((m) => ({
    step: Number(m[1]),
    cells: [...m[2]!.matchAll(/<td>(.*?)<\/td>/g)].map((c) => c[1]!.replace('&lt;', '<')),
  }));
  const columns = (task: number, text: string): string[] =>
    [0, 1].map((t) => (t === task ? text : ''));
  expect(rows.map(({ step, cells }) => ({ step, cells: cells.slice(0, 2) }))).toEqual(
    linesOf(recording).map(({ step, task, text }) => ({
      step,
      cells: columns(task, text.replace('>', '&gt;')),
    })),
  );
  expect(rows.length).toBe(5);
});

/** As much of a document as the script asks for. */
class Stub {
  innerHTML = '';
  textContent = '';
  value = '';
  readonly dataset: Record<string, string> = {};
  readonly classes = new Set<string>();
  readonly attributes = new Map<string, string>();
  readonly heard = new Map<string, (e: object) => void>();
  scrolled = 0;
  readonly classList = {
    toggle: (name: string, on: boolean): void => {
      if (on) this.classes.add(name);
      else this.classes.delete(name);
    },
  };
  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }
  removeAttribute(name: string): void {
    this.attributes.delete(name);
  }
  addEventListener(kind: string, heard: (e: object) => void): void {
    this.heard.set(kind, heard);
  }
  scrollIntoView(): void {
    this.scrolled++;
  }
}

/** The page, opened. */
function opened() {
  const byId = new Map<string, Stub>();
  const get = (id: string): Stub => {
    if (!byId.has(id)) byId.set(id, new Stub());
    return byId.get(id)!;
  };
  get('data').textContent = inside('script', 0);
  const rows = [...page.matchAll(/<tr data-step="(\d+)"/g)].map((m) => {
    const row = new Stub();
    row.dataset['step'] = m[1]!;
    return row;
  });
  const heard = new Map<string, (e: object) => void>();
  const document = {
    getElementById: get,
    querySelectorAll: () => rows,
    addEventListener: (kind: string, on: (e: object) => void) => heard.set(kind, on),
  };
  runInNewContext(inside('script', 1), { document });
  const press = (key: string, more: object = {}): boolean => {
    let taken = false;
    const preventDefault = (): void => {
      taken = true;
    };
    heard.get('keydown')!({ key, preventDefault, ...more });
    return taken;
  };
  const states = (): string => rows.map((r) => [...r.classes].join('+') || 'past').join(' ');
  return { get, rows, press, states };
}

test('arrow keys, Home, End, the slider and a click step through the schedule', () => {
  const { get, rows, press, states } = opened();
  expect([get('where').textContent, states()]).toEqual([
    'at the start',
    'later later later later later',
  ]);
  expect(press('ArrowDown')).toBe(true);
  expect(states()).toBe('now later later later later');
  expect(rows[0]!.attributes.get('aria-current')).toBe('step');
  expect(rows[0]!.scrolled).toBe(1);
  press('ArrowRight');
  expect(states()).toBe('past now later later later');
  expect(rows[0]!.attributes.size).toBe(0);
  press('ArrowUp');
  press('ArrowLeft');
  press('ArrowLeft');
  expect(get('where').textContent).toBe('at the start');
  press('End');
  expect([get('where').textContent, states()]).toEqual(['4 of 4', 'past past past now now']);
  press('ArrowDown');
  expect(get('slider').value).toBe('4');
  expect([press('a'), press('ArrowUp', { ctrlKey: true })]).toEqual([false, false]);
  get('slider').heard.get('input')!({ target: { value: '2' } });
  expect(states()).toBe('past now later later later');
  rows[2]!.heard.get('click')!({});
  expect(get('where').textContent).toBe('3 of 4');
  get('first').heard.get('click')!({});
  expect(get('where').textContent).toBe('at the start');
});

test('the panes show who holds, who waits for whom, and the values that changed', () => {
  const { get, press } = opened();
  const pane = (id: string): string => get(id).innerHTML;
  expect(pane('locks')).not.toContain('<td>A</td>');
  expect(pane('values')).toContain('<tr><td>x</td><td>0</td><td>0</td></tr>');
  press('ArrowDown');
  expect(pane('locks')).toMatch(/^<tr><td>first .*?<\/td><td>A<\/td><td><\/td><td><\/td><\/tr>/);
  press('ArrowDown');
  expect(pane('values')).toContain('<tr class="changed"><td>x</td><td>0</td><td>1</td></tr>');
  expect(pane('graph')).not.toContain('class="edge"');
  press('ArrowDown');
  expect(pane('values')).toContain('<tr><td>x</td><td>1</td><td>1</td></tr>');
  expect(pane('locks')).toMatch(
    /<tr class="blocked"><td>second<\/td><td>B<\/td><td>lock\(A\)<\/td><td>first /,
  );
  expect(pane('graph').match(/class="edge"/g)).toHaveLength(2);
  expect(pane('graph').match(/<g class="circle">/g)).toHaveLength(4);
  expect(pane('graph')).not.toMatch(/NaN|undefined/);
  for (const id of ['locks', 'values', 'graph']) {
    expect(pane(id)).not.toContain('<script');
    expect(() => elements(pane(id).replace(/<(\w+)([^>]*)\/>/g, '<$1$2></$1>'))).not.toThrow();
  }
});
