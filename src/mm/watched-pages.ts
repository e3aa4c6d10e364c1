/**
 * The index of a mapping, in checked builds: a look-up of one place is ordered with changes of that
 * place, a walk with changes of any. Changes of two places are not ordered with each other.
 */
import { type XaMark, XArray } from '../base/xarray.ts';
import { Watched } from '../sched/watch.ts';
import type { Folio } from './folio.ts';

export class WatchedPages extends XArray<Folio> {
  private readonly ino: number;
  /** The kinds are turned round: changes commute with each other, walks do not. */
  private readonly all: Watched;
  private readonly places = new Map<number, Watched>();

  constructor(ino: number) {
    super();
    this.ino = ino;
    this.all = new Watched('pages', ino);
  }

  private place(index: number): Watched {
    let place = this.places.get(index);
    if (!place) this.places.set(index, (place = new Watched('page', this.ino, index)));
    return place;
  }

  override get(index: number): Folio | undefined {
    this.place(index).read();
    return super.get(index);
  }
  override set(index: number, folio: Folio): void {
    this.place(index).wrote();
    this.all.read();
    super.set(index, folio);
  }
  override delete(index: number): Folio | undefined {
    this.place(index).wrote();
    this.all.read();
    return super.delete(index);
  }
  override setMark(index: number, m: XaMark): void {
    this.all.read();
    super.setMark(index, m);
  }
  override clearMark(index: number, m: XaMark): void {
    this.all.read();
    super.clearMark(index, m);
  }
  override marked(m: XaMark): boolean {
    this.all.wrote();
    return super.marked(m);
  }
  override next(from: number, end?: number): number {
    this.all.wrote();
    return super.next(from, end);
  }
  override nextMarked(from: number, m: XaMark, end?: number): number {
    this.all.wrote();
    return super.nextMarked(from, m, end);
  }
}
