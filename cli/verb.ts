/** What a verb of the command line is. */
import type { Command } from "@cliffy/command";

/** Tells the exit code of a verb. */
export type Done = (code: number) => void;

/** A verb. */
export interface Verb {
  readonly name: string;
  /** Its command; the action reports the exit code. */
  load(done: Done): Promise<Command>;
}
