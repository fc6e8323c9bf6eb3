/** State of the plugin: plain data. Tables are in physical memory, which is saved as such. */

/** One per board. */
export interface VmsaState {
  /** VMIDs in use, one bit each. */
  readonly vmids: Uint32Array;
}
