/** How the page looks (html.ts): light and dark as the reader's system is. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ink: #1b1f24; --paper: #ffffff; --line: #d0d7de; --soft: #6a737d;
  --now: #fff3c4; --bad: #b42318; --changed: #d7f0db;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e6e6; --paper: #16191d; --line: #3a4149; --soft: #98a1ab;
    --now: #4a3f12; --bad: #ff8a7a; --changed: #1d4427;
  }
}
* { box-sizing: border-box; }
body { margin: 1rem; color: var(--ink); background: var(--paper); font: 15px/1.4 sans-serif; }
h1 { font-size: 1.3rem; margin: 0; }
h2 { font-size: 1rem; margin: 1rem 0 .3rem; }
header p { margin: .2rem 0; overflow-wrap: anywhere; }
code, td, th { font-family: ui-monospace, monospace; font-size: 13px; }
.symptom { color: var(--bad); font-weight: bold; }
.schedule { color: var(--soft); }
nav {
  position: sticky; top: 0; z-index: 1; display: flex; gap: .5rem; align-items: center;
  padding: .5rem 0; background: var(--paper); border-bottom: 1px solid var(--line);
}
nav input { flex: 1; min-width: 4rem; }
main { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
aside { position: sticky; top: 3.5rem; flex: 1; min-width: 20rem; max-width: 40rem; }
table { border-collapse: collapse; }
th { text-align: left; border-bottom: 1px solid var(--line); }
th, td { padding: .1rem .8rem .1rem 0; vertical-align: top; }
#schedule tbody tr { cursor: pointer; scroll-margin: 4rem; }
#schedule td:last-child { color: var(--soft); }
#schedule .later { opacity: .4; }
#schedule .now { background: var(--now); }
.blocked, .circle { color: var(--bad); }
.changed { background: var(--changed); font-weight: bold; }
svg { width: 100%; max-width: 30rem; }
svg text { fill: currentColor; font: 12px sans-serif; text-anchor: middle; }
svg ellipse { fill: none; stroke: currentColor; }
svg path.edge { fill: none; stroke: currentColor; marker-end: url(#tip); }
svg marker path { fill: currentColor; }
`;
