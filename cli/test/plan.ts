/** The part of the boards that a shard of `test` has. */
import { ValidationError } from "@cliffy/command";

/** One of several machines that share the work. */
export interface Shard {
  /** From 1. */
  readonly index: number;
  readonly count: number;
}

/** `2/5`. Throws a `ValidationError`. */
export function parseShard(text: string): Shard {
  const [, index, count] = text.match(/^(\d{1,6})\/(\d{1,6})$/)?.map(Number) ?? [];
  if (index === undefined || index < 1 || index > count) {
    throw new ValidationError(`--shard ${text}: want i/n, with i from 1 to n, such as 1/4`);
  }
  return { index, count };
}

/** Each n-th, so that neighbours that all take long don't come together. */
export function shardOf<T>(items: readonly T[], { index, count }: Shard): T[] {
  return items.filter((_, position) => position % count === index - 1);
}
