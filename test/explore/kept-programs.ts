/** Programs that were once explored wrongly, each as small as it could be made. */
import type { Script } from './random-programs.ts';

/** Each by the fact that it shows. */
export const kept: Record<string, Script> = {
  'a task is not tried before it has been made': {
    tasks: [
      [
        ['lock', 1],
        ['spawn', 0],
      ],
      [
        ['lock', 1],
        ['unlock', 1],
        ['read', 9],
      ],
    ],
    made: [[['write', 9]]],
  },
  'a race is looked at again when the execution has another end': {
    touches: true,
    tasks: [
      [['prep', 4]],
      [['wake', 4]],
      [
        ['read', 8],
        ['odd', 2],
        ['prep', 4],
      ],
      [
        ['write', 8],
        ['and-read', 8],
        ['write', 8],
      ],
    ],
  },
  'a sequence that has one outcome of a choice does not stand for the others': {
    tasks: [
      [['lock', 1]],
      [
        ['write', 9],
        ['pick', 3],
        ['write', 8],
        ['lock', 1],
      ],
      [['read', 8]],
    ],
  },
  'only the outcome that races is tried the other way round': {
    tasks: [
      [['read', 8]],
      [
        ['read', 8],
        ['pick', 2],
        ['odd', 1],
        ['write', 8],
      ],
    ],
  },
  'an outcome that is independent of a step goes on sleeping when another awakes': {
    touches: true,
    tasks: [
      [
        ['read', 8],
        ['pick', 2],
        ['and-write-of', 9, 8],
      ],
      [['write', 9]],
    ],
  },
  'a task that sleeps where it should be awake does not stand for what comes after it': {
    touches: true,
    tasks: [
      [
        ['lock', 0],
        ['read', 8],
        ['and-unlock', 0],
      ],
      [
        ['write', 8],
        ['pick', 2],
      ],
      [
        ['trylock', 0, 1],
        ['unlock', 0],
        ['lock', 0],
        ['unlock', 0],
      ],
    ],
  },
  'the first step of a task that waits may touch more than the lock it waits for': {
    touches: true,
    tasks: [
      [
        ['lock', 1],
        ['and-write', 9],
      ],
      [
        ['write', 9],
        ['and-trylock', 0, 2],
      ],
      [
        ['lock', 0],
        ['write', 8],
        ['and-trylock', 1, 2],
      ],
    ],
  },
  'what was thought to begin with a step is not left out if the step is another one': {
    touches: true,
    tasks: [
      [['write', 10]],
      [
        ['write', 10],
        ['pick', 2],
        ['and-write-of', 9, 8],
      ],
      [['write', 8]],
    ],
  },
  'who comes first may touch something else when it comes later': {
    touches: true,
    tasks: [
      [
        ['read', 8],
        ['odd', 1],
        ['and-write', 9],
      ],
      [
        ['write', 9],
        ['and-trylock', 0, 2],
      ],
      [
        ['lock', 0],
        ['write', 8],
      ],
    ],
  },
  'what a step touches that follows another is not what it touches when it comes first': {
    touches: true,
    tasks: [
      [
        ['read', 10],
        ['and-write-of', 9, 10],
      ],
      [
        ['lock', 1],
        ['write', 10],
      ],
      [['read', 9]],
    ],
  },
  'an outcome that sleeps does not stand for itself behind what it depends on': {
    touches: true,
    tasks: [
      [
        ['read', 8],
        ['pick', 2],
        ['and-write-of', 9, 8],
      ],
      [
        ['lock', 0],
        ['read', 9],
        ['and-unlock', 0],
      ],
      [
        ['read', 0],
        ['read', 8],
      ],
    ],
  },
  'a try to read that fails for a writer in line does not show that the lock is held': {
    touches: true,
    tasks: [
      [
        ['wqueue', 0],
        ['lock', 0],
      ],
      [
        ['rdlock', 0],
        ['rdunlock', 0],
        ['tryrdlock', 0, 1],
      ],
    ],
  },
  'of an outcome that was never seen it is not known what it touches': {
    touches: true,
    tasks: [
      [
        ['write', 8],
        ['pick', 2],
        ['and-write-of', 8, 9],
      ],
      [['write', 9]],
    ],
  },
};
