/** Trace events, bounded per kind: a guest that misbehaves a million times fills no disk. */

/** Events of one kind that are shown; the others are only counted. */
export const TRACE_LIMIT = 32;
/** Events that a crash report repeats. */
const RECENT = 6;

/** Trace events in a snapshot. */
export interface SavedTrace {
  readonly counts: Map<string, number>;
  readonly recent: string[];
}

/** Counts trace events, and hands on the first ones of each kind. */
export class Tracer {
  readonly counts: Map<string, number> = new Map();
  /** The latest events that were within the limit, as `kind: detail`. */
  readonly recent: string[] = [];
  constructor(readonly sink: ((kind: string, detail: string) => void) | undefined) {}

  /** For a snapshot. */
  save(): SavedTrace {
    return { counts: new Map(this.counts), recent: [...this.recent] };
  }

  /** The counterpart of {@linkcode save}. */
  load({ counts, recent }: SavedTrace): void {
    this.counts.clear();
    for (const [kind, count] of counts) this.counts.set(kind, count);
    this.recent.splice(0, this.recent.length, ...recent);
  }

  trace(kind: string, detail: () => string): void {
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    if (count > TRACE_LIMIT) return;
    const text = count < TRACE_LIMIT ? detail() : `${detail()} (the last one of this kind to be shown)`;
    this.recent.push(`${kind}: ${text}`);
    if (this.recent.length > RECENT) this.recent.shift();
    this.sink?.(kind, text);
  }
}
