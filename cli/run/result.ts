/** How a run ended, as data: what `run --result` writes and `test` reads. */

/** A run. */
export interface RunResult {
  /** The board's own name. */
  readonly board: string;
  /** Exit code. */
  readonly code: number;
  /** The ending in words. */
  readonly outcome: string;
  /** What was expected and didn't come. */
  readonly missing: readonly string[];
  readonly virtualNs: number;
  readonly wallMs: number;
  readonly instructions: number;
  /** Exceptions to EL2 by kind. */
  readonly exits: Readonly<Record<string, number>>;
  readonly reboots: number;
  /** What each vCPU was doing, when it ended badly. */
  readonly report?: string;
}
