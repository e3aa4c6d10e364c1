// @ts-check
/** The rooms of layers.mjs, as a picture and as a table, for ARCHITECTURE.md. */
import { existsSync } from 'node:fs';
import { layers } from '../../layers.mjs';
import { sourceFiles } from './source.mjs';

const here = new Set(
  Object.keys(layers).filter(
    (room) =>
      existsSync(`src/${room}.ts`) || sourceFiles().some((f) => f.startsWith(`src/${room}/`)),
  ),
);

/** @param {string} room */
const id = (room) => room.replace('/', '_');

/** What a room imports that nothing else it imports brings along: the picture stays readable. */
const direct = (/** @type {readonly string[]} */ may) =>
  may.filter((room) => !may.some((other) => layers[other]?.may.includes(room)));

function picture() {
  const rooms = Object.entries(layers).filter(([room]) => room !== 'index');
  const nodes = rooms.map(([room, { twin }]) => {
    const style = here.has(room) ? '' : ':::later';
    return `  ${id(room)}["${room}<br><small>${twin}</small>"]${style}`;
  });
  const edges = rooms.flatMap(([room, { may }]) =>
    direct(may).map((other) => `  ${id(room)} --> ${id(other)}`),
  );
  return [
    '```mermaid',
    'flowchart TD',
    ...nodes,
    ...edges,
    '  classDef later stroke-dasharray: 5 5,color:#888',
    '```',
  ];
}

function table() {
  const rows = Object.entries(layers).map(([room, { rank, twin, holds, may }]) => {
    const imports = rank >= 9 ? `any room below rank ${rank}` : may.join(', ') || 'nothing';
    const state = here.has(room) ? '' : ' (to come)';
    return `| ${rank} | \`${room}\`${state} | ${twin} | ${holds} | ${imports} |`;
  });
  return ['| rank | room | Linux twin | holds | may import |', '|---|---|---|---|---|', ...rows];
}

export const rooms = () => [...picture(), '', 'Dashed: to come.', '', ...table()].join('\n');
