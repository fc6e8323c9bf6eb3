/** RAM in a snapshot, but for its content. */

/** A bank, frame by frame. */
export interface SavedBank {
  readonly owner: Uint16Array;
  readonly references: Uint32Array;
  readonly dirty: Uint8Array;
  readonly free: Int32Array[];
}

/** Who owns RAM, in a snapshot; what is in it comes by itself. */
export interface SavedRam {
  readonly names: string[];
  /** What each owner got by {@linkcode Ram.allocate} and hasn't given back, in that order. */
  readonly allocated: Map<string, number[]>;
  readonly banks: SavedBank[];
}
