/**
 * What the page does (html.ts): plain script text, since it runs in the reader's browser and not
 * here. All that it shows goes through esc(). `view()` knows nothing of the page: it makes text.
 */
export const SCRIPT = String.raw`
'use strict';
const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const esc = (text) => String(text).replace(/[&<>"']/g, (c) => entities[c]);
const short = (text) => (text.length > 20 ? text.slice(0, 19) + '…' : text);

/** The end tells two of a kind apart. */
const shortInside = (text) => text.length > 22 ? text.slice(0, 10) + '…' + text.slice(-11) : text;

/** How things stand at stop number n: the insides of the three panes, as HTML. */
function view(data, n) {
  const { state } = data.stops[n];
  const was = data.stops[Math.max(0, n - 1)].state;
  const name = (t) => data.names[t] ?? 'task ' + t;
  const circle = circleAt(data, state);
  const tasks = data.names.map((_, t) => t).filter((t) => data.shown.includes(t) ||
    state.held.some((h) => h.task === t) || state.waits.some((w) => w.task === t));
  const locks = tasks.map((t) => {
    const held = state.held.filter((h) => h.task === t).map((h) => h.what).join(', ');
    const wait = state.waits.find((w) => w.task === t);
    const by = wait === undefined ? '' : wait.by.map(name).join(', ') || 'a wake';
    const cells = [name(t), held, wait?.what ?? '', by].map((s) => '<td>' + esc(s) + '</td>');
    return '<tr' + (wait ? ' class="blocked"' : '') + '>' + cells.join('') + '</tr>';
  });
  const keys = [...new Set([...Object.keys(state.values), ...Object.keys(was.values)])];
  const values = keys.map((key) => {
    const [from, to] = [was.values[key] ?? '-', state.values[key] ?? '-'];
    const mark = from === to ? '' : ' class="changed"';
    return '<tr' + mark + '>' + [key, from, to].map((s) => '<td>' + esc(s) + '</td>').join('') +
      '</tr>';
  });
  return { locks: locks.join(''), values: values.join(''), graph: graph(tasks, state, circle, name) };
}

/** The tasks of the circle, once all of them wait. */
const circleAt = (data, state) =>
  data.circle.every((t) => state.waits.some((w) => w.task === t)) ? data.circle : [];

/** Tasks stand on an oval; an arrow goes from who waits to whom it waits for. */
function graph(tasks, state, circle, name) {
  const place = (t) => {
    const angle = (tasks.indexOf(t) / tasks.length) * 2 * Math.PI - Math.PI / 2;
    return { x: 180 + 105 * Math.cos(angle), y: 130 + 95 * Math.sin(angle) };
  };
  const inCircle = (a, b) => circle.includes(a) &&
    circle[(circle.indexOf(a) + 1) % circle.length] === b;
  const edges = state.waits.flatMap(({ task, what, by }) => by.map((other) =>
    edge(place(task), place(other), what, inCircle(task, other))));
  const nodes = tasks.map((t) => {
    const { x, y } = place(t);
    const at = (v) => v.toFixed(1);
    return '<g' + (circle.includes(t) ? ' class="circle"' : '') + '><title>' + esc(name(t)) +
      '</title><ellipse cx="' + at(x) + '" cy="' + at(y) + '" rx="68" ry="16"/><text x="' + at(x) +
      '" y="' + at(y + 4) + '">' + esc(short(name(t))) + '</text></g>';
  });
  const tip = (id) => '<marker id="' + id + '" viewBox="0 0 8 8" refX="7" refY="4" ' +
    'markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker>';
  return '<defs>' + tip('tip') + tip('tip-bad') + '</defs>' + edges.join('') + nodes.join('');
}

/** Bent to its left, so that an arrow and its answer do not lie on each other. */
function edge(from, to, what, bad) {
  const at = (v) => v.toFixed(1);
  if (from.x === to.x && from.y === to.y) {
    const loop = 'M' + at(from.x - 20) + ' ' + at(from.y + 15) + ' q20 40 40 0';
    return drawn(loop, { x: from.x, y: from.y + 48 }, what, bad);
  }
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy);
  const [ux, uy] = [dx / length, dy / length];
  const mid = { x: (from.x + to.x) / 2 - uy * 34, y: (from.y + to.y) / 2 + ux * 34 };
  const rim = (p) => {
    const [vx, vy] = [mid.x - p.x, mid.y - p.y];
    // On the rim of the node's oval, in the direction of the bend.
    const scale = 1 / Math.hypot(vx / 70, vy / 18);
    return at(p.x + vx * scale) + ' ' + at(p.y + vy * scale);
  };
  const path = 'M' + rim(from) + ' Q' + at(mid.x) + ' ' + at(mid.y) + ' ' + rim(to);
  // Beside an upright arrow there is more room than on it.
  const side = Math.abs(dx) > 1 ? '' : mid.x < from.x ? 'end' : 'start';
  return drawn(path, mid, what, bad, side);
}
const drawn = (path, label, what, bad, side = '') => '<g' + (bad ? ' class="circle"' : '') +
  '><path class="edge" d="' + path + '"/><text x="' + label.x.toFixed(1) + '" y="' +
  label.y.toFixed(1) + '" class="' + side + '">' + esc(shortInside(what)) + '</text></g>';

/** Which stop a key leads to from stop n of count; null: none of ours. */
function target(key, n, count) {
  if (key === 'ArrowDown' || key === 'ArrowRight') return Math.min(count - 1, n + 1);
  if (key === 'ArrowUp' || key === 'ArrowLeft') return Math.max(0, n - 1);
  if (key === 'Home') return 0;
  return key === 'End' ? count - 1 : null;
}

function start(page) {
  const get = (id) => page.getElementById(id);
  const data = JSON.parse(get('data').textContent);
  const rows = [...page.querySelectorAll('#schedule tr[data-step]')];
  const count = data.stops.length;
  let now = 0;
  const go = (n) => {
    now = n;
    const { step } = data.stops[n];
    for (const row of rows) {
      const its = Number(row.dataset.step);
      row.classList.toggle('later', its > step);
      row.classList.toggle('now', its === step);
      if (its === step) row.setAttribute('aria-current', 'step');
      else row.removeAttribute('aria-current');
    }
    rows.find((row) => Number(row.dataset.step) === step)?.scrollIntoView({ block: 'nearest' });
    const shown = view(data, n);
    for (const pane of ['locks', 'values', 'graph']) get(pane).innerHTML = shown[pane];
    const waiting = data.stops[n].state.waits.length > 0;
    get('graph').classList.toggle('none', !waiting);
    get('idle').classList.toggle('none', waiting);
    get('slider').value = String(n);
    get('where').textContent = n === 0 ? 'at the start' : n + ' of ' + (count - 1);
  };
  const button = (id, key) => get(id).addEventListener('click', () => go(target(key, now, count)));
  button('first', 'Home');
  button('back', 'ArrowUp');
  button('next', 'ArrowDown');
  button('last', 'End');
  get('slider').addEventListener('input', (e) => go(Number(e.target.value)));
  page.addEventListener('keydown', (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const n = target(e.key, now, count);
    if (n === null) return;
    e.preventDefault();
    go(n);
  });
  for (const row of rows) {
    const n = data.stops.findIndex((stop) => stop.step === Number(row.dataset.step));
    row.addEventListener('click', () => go(n));
  }
  go(0);
}
start(document);
`;
