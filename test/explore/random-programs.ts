/**
 * Small random programs: two to four tasks, all kinds of operation, few objects, so that the tasks
 * get in each other's way. A program is data, so that one that fails can be printed, made smaller
 * and kept: each task is a list of words, run by one interpreter with one register.
 */
import { assert } from '../../src/base/assert.ts';
import type { Prng } from '../../src/base/prng.ts';
import * as m from '../../src/explore/program.ts';
import type { Hands, Program, Steps } from '../../src/explore/program.ts';
import { kindNames, operation } from '../../src/sched/point.ts';

/** Operation, object, and what it does with the register, if anything. */
export type Word =
  | readonly [
      (
        | 'read'
        | 'write'
        | 'lock'
        | 'unlock'
        | 'rdlock'
        | 'rdunlock'
        | 'downgrade'
        | 'wqueue'
        | 'prep'
        | 'sched'
        | 'wake'
      ),
      number,
    ]
  /** If the try fails, so many words are left out. */
  | readonly ['trylock' | 'tryrdlock', number, number]
  /** Leave out so many words if the register is odd. */
  | readonly ['odd', number]
  /** The register becomes one of so many numbers. */
  | readonly ['pick', number]
  /** Within the running step: an access; to one of two objects, as the register says. */
  | readonly ['and-read' | 'and-write', number]
  | readonly ['and-write-of', number, number]
  | readonly ['and-wake' | 'and-unlock', number]
  /** As `trylock`, within the running step. */
  | readonly ['and-trylock', number, number]
  /** Make the task that has this number in `made`. */
  | readonly ['spawn', number];

export interface Script {
  readonly tasks: readonly (readonly Word[])[];
  readonly made?: readonly (readonly Word[])[];
  /** Steps touch more than they announce. */
  readonly touches?: true;
}

/** 0..3 may be locks, 4 and 5 wait queues, 8..11 variables. */
export const LOCKS = 6;
const QUEUE = 4;
const VARIABLE = 8;
const VARIABLES = 3;

interface Store {
  readonly values: Int32Array;
}

function kindOfWord(word: string): number {
  const kind = (kindNames as readonly string[]).indexOf(word === 'wqueue' ? 'wrqueue' : word);
  assert(kind >= 0, `no operation is called ${word}`);
  return kind;
}

/** The program that a script stands for. */
export function programOf(script: Script): Program<Store> {
  return {
    locks: LOCKS,
    touches: script.touches === true,
    init: () => ({ values: new Int32Array(16) }),
    tasks: (store, hands) => script.tasks.map((words) => run(words, store, hands, script)),
  };
}

function* run(words: readonly Word[], store: Store, hands: Hands, script: Script): Steps {
  const { values } = store;
  let register = 0;
  const put = (o: number): void => {
    values[o] = (register * 3 + o + 1) & 15;
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    switch (word[0]) {
      case 'read':
        yield m.read(word[1]);
        register = values[word[1]]!;
        break;
      case 'write':
        yield m.write(word[1]);
        put(word[1]);
        break;
      case 'trylock':
      case 'tryrdlock':
        if (!(yield operation(kindOfWord(word[0]), word[1]))) {
          i += word[2];
          register++;
        }
        break;
      case 'odd':
        if (register & 1) i += word[1];
        break;
      case 'pick':
        register = hands.pick(word[1], 'any');
        break;
      case 'and-read':
        hands.touch(m.read(word[1]));
        register = values[word[1]]!;
        break;
      case 'and-write':
        hands.touch(m.write(word[1]));
        put(word[1]);
        break;
      case 'and-write-of': {
        const o = word[1 + (register & 1)] as number;
        hands.touch(m.write(o));
        put(o);
        break;
      }
      case 'and-wake':
        hands.touch(m.wake(word[1]));
        break;
      case 'and-unlock':
        hands.touch(m.unlock(word[1]));
        break;
      case 'and-trylock':
        if (!hands.touch(m.trylock(word[1]))) i += word[2];
        break;
      case 'spawn':
        hands.spawn(run(script.made![word[1]]!, store, hands, script));
        break;
      default:
        yield operation(kindOfWord(word[0]), word[1]);
    }
  }
}

/** What a program may consist of. */
export interface Mix {
  /** Steps of several operations, whose objects are known when the step is announced. */
  readonly several: boolean;
  /** Which objects a step touches depends on what it reads in that step. */
  readonly dependent: boolean;
  readonly choices: boolean;
  /** Choices are frequent, and at most so many of an execution are other than 0. */
  readonly faults?: number;
  readonly spawns: boolean;
}

export function randomScript(random: Prng, mix: Mix): Script {
  const many = [2, 2, 3, 3, 3, 4][random.below(6)]!;
  const size = [0, 0, 7, 5, 3][many]!;
  const grammar = new Grammar(random, mix);
  const tasks = Array.from({ length: many }, (_, t) => {
    const words: Word[] = [];
    while (steps(words) < 1 + random.below(size)) words.push(...grammar.phrase(t === 0));
    return words;
  });
  return {
    tasks,
    ...(grammar.made.length > 0 ? { made: grammar.made } : {}),
    ...(mix.several || mix.dependent ? { touches: true } : {}),
  };
}

const steps = (words: readonly Word[]): number =>
  words.filter((w) => !/^(and-|odd|pick|spawn)/.test(w[0])).length;

class Grammar {
  readonly made: Word[][] = [];
  private readonly random: Prng;
  private readonly mix: Mix;
  /** Objects of this program: few, or its tasks never meet. */
  private readonly locks: number;
  private readonly variables: number;

  constructor(random: Prng, mix: Mix) {
    this.random = random;
    this.mix = mix;
    this.locks = 1 + random.below(2);
    this.variables = 1 + random.below(VARIABLES);
  }

  private aLock = (): number => this.random.below(this.locks);
  private aQueue = (): number => QUEUE + this.random.below(2);
  private aVariable = (): number => VARIABLE + this.random.below(this.variables);

  /** One access, and what else the step does. */
  private access(first: boolean): Word[] {
    const { random, mix } = this;
    const words: Word[] = [[random.chance(0.5) ? 'read' : 'write', this.aVariable()]];
    if (mix.several && random.chance(0.5)) {
      words.push([random.chance(0.5) ? 'and-read' : 'and-write', this.aVariable()]);
    }
    if (mix.several && random.chance(0.1)) words.push(['and-wake', this.aQueue()]);
    if (mix.dependent && random.chance(0.4)) {
      words.push(['and-write-of', this.aVariable(), this.aVariable()]);
    }
    if (mix.dependent && random.chance(0.2)) {
      words.push(['odd', 1], ['and-write', this.aVariable()]);
    }
    if (mix.choices && random.chance(mix.faults === undefined ? 0.2 : 0.5))
      words.push(['pick', 2 + random.below(2)]);
    if (mix.choices && mix.dependent && random.chance(0.2)) {
      words.push(['pick', 2], ['and-write-of', this.aVariable(), this.aVariable()]);
    }
    if (random.chance(0.15)) words.push(['odd', 1], ['write', this.aVariable()]);
    if (mix.spawns && first && this.made.length < 2 && random.chance(0.3)) {
      words.push(['spawn', this.made.length]);
      this.made.push([['write', this.aVariable()]]);
    }
    return words;
  }

  /** Something that holds nothing afterwards. */
  phrase(first: boolean): Word[] {
    const { random } = this;
    const inner = (): Word[] => (random.chance(0.4) ? this.access(first) : []);
    const l = this.aLock();
    const q = this.aQueue();
    switch (random.below(12)) {
      case 0:
      case 1:
        return this.locked(l, inner());
      case 2:
        return [['lock', 0], ...inner(), ...this.locked(1, []), ['unlock', 0]];
      case 3:
        return [['lock', 1], ...inner(), ...this.locked(0, []), ['unlock', 1]];
      case 4:
        return [['rdlock', l], ...inner(), ['rdunlock', l]];
      case 5: // Reads twice: waits for ever if a writer gets in line in between.
        return [['rdlock', l], ['rdlock', l], ['rdunlock', l], ...inner(), ['rdunlock', l]];
      case 6:
        return [['wqueue', l], ['lock', l], ...inner(), ...this.release(l)];
      case 7: // A reader that wants to write waits for itself.
        return random.chance(0.3)
          ? [
              ['rdlock', l],
              ['lock', l],
              ['unlock', l],
              ['rdunlock', l],
            ]
          : this.locked(l, inner());
      case 8: {
        const body: Word[] = [...inner(), ['unlock', l]];
        return [['trylock', l, body.length], ...body];
      }
      case 9:
        return random.chance(0.5)
          ? [
              ['prep', q],
              ['sched', q],
            ]
          : [
              ['read', VARIABLE],
              ['odd', 2],
              ['prep', q],
              ['sched', q],
            ];
      case 10:
        return random.chance(0.5)
          ? [['wake', q]]
          : [
              ['write', VARIABLE],
              ['wake', q],
            ];
      default:
        return this.access(first);
    }
  }

  private locked(l: number, body: Word[]): Word[] {
    const { random, mix } = this;
    if (mix.dependent && random.chance(0.15)) {
      const tried: Word[] = [...body, ['read', VARIABLE], ['and-unlock', l]];
      return [['write', this.aVariable()], ['and-trylock', l, tried.length], ...tried];
    }
    if (mix.dependent && random.chance(0.15)) {
      return [['tryrdlock', l, body.length + 1], ...body, ['rdunlock', l]];
    }
    if (mix.several && random.chance(0.3)) {
      return [['lock', l], ...body, ['read', this.aVariable()], ['and-unlock', l]];
    }
    return [['lock', l], ...body, ...this.release(l)];
  }
  private release(l: number): Word[] {
    return this.random.chance(0.2)
      ? [
          ['downgrade', l],
          ['rdunlock', l],
        ]
      : [['unlock', l]];
  }
}

/** As text that can be pasted into a test. */
export const print = (script: Script): string => JSON.stringify(script);

/** Ever smaller scripts that still fail, until none is. */
export function smallest(script: Script, fails: (s: Script) => boolean): Script {
  for (;;) {
    const next = smaller(script).find((s) => {
      try {
        return fails(s);
      } catch {
        return false; // Not a program any more: it unlocks what it does not hold, say.
      }
    });
    if (next === undefined) return script;
    script = next;
  }
}

function smaller(script: Script): Script[] {
  const { tasks } = script;
  const without = tasks.map((_, t) => ({ ...script, tasks: tasks.filter((_, u) => u !== t) }));
  const shorter = [2, 1].flatMap((n) =>
    tasks.flatMap((words, t) =>
      words.map((_, i) => ({
        ...script,
        tasks: tasks.map((w, u) => (u === t ? [...w.slice(0, i), ...w.slice(i + n)] : w)),
      })),
    ),
  );
  return [...without, ...shorter];
}
