/** How the page looks (html.ts): light and dark as the reader's system is. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ink: #1b1f24; --paper: #ffffff; --line: #d0d7de; --soft: #6a737d;
  --now: #fff3c4; --bad: #b42318; --changed: #d7f0db; --focus: #0b57d0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e6e6; --paper: #16191d; --line: #3a4149; --soft: #98a1ab;
    --now: #4a3f12; --bad: #ff8a7a; --changed: #1d4427; --focus: #8ab4f8;
  }
}
* { box-sizing: border-box; }
.none { display: none; }
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
main { display: grid; grid-template-columns: minmax(0, 1fr) 27rem; gap: 2rem; align-items: start; }
section { overflow-x: auto; }
aside { position: sticky; top: 3.2rem; max-height: calc(100vh - 3.5rem); overflow-y: auto; }
aside table { width: 100%; }
@media (max-width: 60rem) {
  main { grid-template-columns: minmax(0, 1fr); }
  aside { position: static; max-height: none; }
}
table { border-collapse: collapse; }
th { text-align: left; border-bottom: 1px solid var(--line); }
th, td { padding: .1rem .8rem .1rem .2rem; vertical-align: top; }
#schedule tbody tr { cursor: pointer; scroll-margin: 4rem; }
#schedule { min-width: 100%; }
#schedule th, #schedule td:not(:last-child) { white-space: nowrap; }
#schedule th { position: sticky; top: 0; }
#schedule td:last-child { width: 99%; min-width: 14rem; overflow-wrap: anywhere; }
#schedule .said { color: var(--soft); }
#schedule .chose { font-weight: bold; }
#schedule .symptom td { padding-top: .4rem; white-space: normal; }
#schedule .later { opacity: .4; }
#schedule .now { background: var(--now); }
.blocked, .circle { color: var(--bad); }
.changed { background: var(--changed); font-weight: bold; }
svg { display: block; width: 100%; max-width: 24rem; margin: 0 auto; overflow: visible; }
.idle { margin: 0; color: var(--soft); }
button { padding: .2rem .6rem; font: inherit; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 1px; }
kbd { border: 1px solid var(--line); border-radius: 3px; padding: 0 .3rem; font-size: 12px; }
.keys { color: var(--soft); }
svg text {
  fill: currentColor; font: 12px sans-serif; text-anchor: middle;
  stroke: var(--paper); stroke-width: 4px; paint-order: stroke;
}
svg text.end { text-anchor: end; }
svg text.start { text-anchor: start; }
svg ellipse { fill: var(--paper); stroke: currentColor; }
svg path.edge { fill: none; stroke: currentColor; marker-end: url(#tip); }
svg .circle path.edge { marker-end: url(#tip-bad); }
svg #tip path { fill: var(--ink); }
svg #tip-bad path { fill: var(--bad); }
`;
