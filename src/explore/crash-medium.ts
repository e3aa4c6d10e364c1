/**
 * What the medium may hold at each moment of a recording.
 *
 * A block has been written some times; one of those versions is durable, or what it held before.
 * At a crash it holds that one or any newer one: writes of one block keep their order, those of
 * different blocks do not.
 *
 * Crashes are looked at where something comes that takes possibilities away, or adds to what must
 * hold: before a write becomes durable, before a mark, and at the end. A crash anywhere else leaves
 * an image that one of these leaves too, with no less asked of it: until then every write only adds
 * a version.
 */
import { REQ_FUA, REQ_META } from '../block/bio.ts';
import { SECTOR_SIZE } from '../base/units.ts';
import { BASE, type CrashContents } from './crash-contents.ts';
import type { CrashEvent, CrashMark, CrashRecording, CrashWrite } from './crash-recorder.ts';

/** One of the things that a block may hold. */
export interface CrashOption {
  /** See crash-contents.ts. */
  readonly content: number;
  readonly torn: boolean;
  /** In ids: `2` is the second version, `t2.f0` it with the old contents of four sectors. */
  readonly name: string;
}

const UNCHANGED: readonly CrashOption[] = [{ content: BASE, torn: false, name: '0' }];

interface Version {
  readonly content: number;
  readonly write: CrashWrite;
}

class BlockState {
  /** What it may hold of the time before the recording. */
  readonly before: readonly CrashOption[];
  readonly versions: Version[] = [];
  /** Versions up to this one, counted from 1, are durable; 0: none. */
  floor = 0;
  /** Without the torn ones. */
  private whole: readonly CrashOption[] | null = null;

  constructor(before: readonly CrashOption[]) {
    this.before = before;
  }

  add(version: Version): void {
    this.versions.push(version);
    this.whole = null;
  }

  /** @returns whether that takes a possibility away */
  settle(upTo: number): boolean {
    if (upTo <= this.floor) return false;
    this.floor = upTo;
    this.whole = null;
    return true;
  }

  /** Different contents only; of equal ones the oldest. */
  options(): readonly CrashOption[] {
    if (this.whole !== null) return this.whole;
    const options = this.floor === 0 ? [...this.before] : [];
    for (let k = Math.max(this.floor, 1); k <= this.versions.length; k++) {
      const { content } = this.versions[k - 1]!;
      if (options.some((o) => o.content === content)) continue;
      options.push({ content, torn: false, name: String(k) });
    }
    return (this.whole = options);
  }
}

/** The moment before an event. */
export interface CrashMoment {
  /** How many events there were. */
  readonly event: number;
  readonly marks: readonly CrashMark[];
}

export class CrashMedium {
  private readonly contents: CrashContents;
  private readonly tears: ((nr: number) => boolean) | null;
  private readonly start: ReadonlyMap<number, readonly CrashOption[]>;
  private readonly blocks = new Map<number, BlockState>();
  /** Completed and not durable. */
  private unflushed: { readonly write: CrashWrite; readonly at: number }[] = [];
  private readonly ranks = new Map<CrashWrite, readonly number[]>();

  /**
   * @param tears  which blocks may be torn; null: none
   * @param start  what blocks may hold before the first event; those left out: what the base does
   */
  constructor(
    contents: CrashContents,
    tears: ((nr: number) => boolean) | null,
    start: ReadonlyMap<number, readonly CrashOption[]>,
  ) {
    this.contents = contents;
    this.tears = tears;
    this.start = start;
    for (const [nr, options] of start) this.blocks.set(nr, new BlockState(options));
  }

  /** Blocks that may differ from the base. */
  get changed(): Iterable<number> {
    return this.blocks.keys();
  }

  /** What `nr` may hold now, whole. */
  wholeOptions(nr: number): readonly CrashOption[] {
    return this.blocks.get(nr)?.options() ?? UNCHANGED;
  }

  /** What `nr` may hold now, torn too if that is asked for. */
  options(nr: number): readonly CrashOption[] {
    const block = this.blocks.get(nr);
    if (block === undefined) return UNCHANGED;
    if (!this.tears?.(nr)) return block.options();
    return [...block.options(), ...this.tornOptions(nr, block)];
  }

  /**
   * Halves of a write: some of the sectors that it changes are new, the others old. Only of what is
   * marked as metadata: nobody promises anything of a page of file data that was on its way.
   */
  private tornOptions(nr: number, block: BlockState): CrashOption[] {
    const out: CrashOption[] = [];
    const seen = new Set(block.options().map((o) => o.content));
    for (let k = block.floor + 1; k <= block.versions.length; k++) {
      const { content, write } = block.versions[k - 1]!;
      const before = k > 1 ? block.versions[k - 2]!.content : onlyOne(block.before);
      if ((write.flags & REQ_META) === 0 || before === null) continue;
      const [old, fresh] = [before, content].map((c) => this.contents.bytesOf(nr, c));
      for (const mask of tears(old!, fresh!)) {
        const mixed = this.contents.id(nr, mix(old!, fresh!, mask));
        if (seen.has(mixed)) continue;
        seen.add(mixed);
        out.push({ content: mixed, torn: true, name: `t${k}.${mask.toString(16)}` });
      }
    }
    return out;
  }

  /** How many different images there may be now, without torn ones. */
  count(): number {
    let n = 1;
    for (const block of this.blocks.values()) n *= block.options().length;
    return n;
  }

  /**
   * Go through the events, and stop at each moment that must be looked at.
   * @param visit  @returns false: enough
   */
  sweep(events: CrashRecording['events'], visit: (moment: CrashMoment) => boolean): boolean {
    const marks: CrashMark[] = [];
    // With nothing written there is one image: that before the recording, which is looked at unless
    // it is known from what came before.
    let fresh = this.start.size === 0;
    const look = (event: number): boolean => {
      const go = !fresh || visit({ event, marks: marks.slice() });
      fresh = false;
      return go;
    };
    for (const [i, event] of events.entries()) {
      if (this.takesAway(event) && !look(i)) return false;
      if (this.apply(event, i)) fresh = true;
      if (event.kind === 'mark') {
        marks.push(event.mark);
        fresh = true;
      }
    }
    return look(events.length);
  }

  private takesAway(event: CrashEvent): boolean {
    if (event.kind === 'mark') return true;
    if (event.kind === 'flush') return this.unflushed.some((u) => u.at < event.before);
    return event.kind === 'complete' && (event.write.flags & REQ_FUA) !== 0;
  }

  /** @returns whether other images are possible now than before */
  private apply(event: CrashEvent, at: number): boolean {
    switch (event.kind) {
      case 'submit':
        this.submit(event.write);
        return true;
      case 'complete':
        if (event.write.flags & REQ_FUA) return this.settle(event.write);
        this.unflushed.push({ write: event.write, at });
        return false;
      case 'flush': {
        const covered = this.unflushed.filter((u) => u.at < event.before);
        this.unflushed = this.unflushed.filter((u) => u.at >= event.before);
        let less = false;
        for (const { write } of covered) if (this.settle(write)) less = true;
        return less;
      }
      case 'mark':
        return false;
    }
  }

  private submit(write: CrashWrite): void {
    const ranks: number[] = [];
    for (const { nr, data } of write.blocks) {
      let block = this.blocks.get(nr);
      if (block === undefined) this.blocks.set(nr, (block = new BlockState(UNCHANGED)));
      block.add({ content: this.contents.id(nr, data), write });
      ranks.push(block.versions.length);
    }
    this.ranks.set(write, ranks);
  }

  private settle(write: CrashWrite): boolean {
    const ranks = this.ranks.get(write)!;
    let less = false;
    for (const [i, { nr }] of write.blocks.entries()) {
      if (this.blocks.get(nr)!.settle(ranks[i]!)) less = true;
    }
    this.ranks.delete(write);
    return less;
  }
}

const onlyOne = (options: readonly CrashOption[]): number | null =>
  options.length === 1 ? options[0]!.content : null;

/** With so many sectors that differ, or fewer, every mixture is tried. */
const ALL_MIXTURES = 4;

/**
 * Which sectors are new, as masks. With many that differ: a beginning, an end, one alone, all but
 * one; a device writes in some direction, or remaps a sector.
 */
function tears(old: Uint8Array, fresh: Uint8Array): number[] {
  const bits: number[] = [];
  for (let i = 0; i * SECTOR_SIZE < fresh.length && i < 31; i++) {
    const [from, to] = [i * SECTOR_SIZE, (i + 1) * SECTOR_SIZE];
    if (fresh.subarray(from, to).some((b, k) => b !== old[from + k])) bits.push(2 ** i);
  }
  const sum = (part: readonly number[]): number => part.reduce((a, b) => a + b, 0);
  const masks = new Set<number>();
  const all = sum(bits);
  if (bits.length <= ALL_MIXTURES) {
    for (let m = 1; m < 2 ** bits.length - 1; m++)
      masks.add(sum(bits.filter((_, i) => m & (1 << i))));
  } else {
    for (const [i, bit] of bits.entries()) {
      masks.add(sum(bits.slice(0, i + 1)));
      masks.add(sum(bits.slice(i)));
      masks.add(bit);
      masks.add(all - bit);
    }
    masks.delete(all);
  }
  return [...masks];
}

function mix(old: Uint8Array, fresh: Uint8Array, mask: number): Uint8Array {
  const out = old.slice();
  for (let i = 0; i * SECTOR_SIZE < out.length && i < 31; i++) {
    if (Math.floor(mask / 2 ** i) % 2 === 0) continue;
    const [from, to] = [i * SECTOR_SIZE, (i + 1) * SECTOR_SIZE];
    out.set(fresh.subarray(from, to), from);
  }
  return out;
}
