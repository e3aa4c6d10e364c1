/** What a map has at a logical block: a run of blocks from there on, or a hole. */
export interface MapHit {
  readonly lblk: number;
  readonly len: number;
  /** First physical block; 0: a hole. */
  readonly pblk: number;
  readonly unwritten: boolean;
}
