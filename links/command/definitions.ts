/** Cliffy's notation: `-t, --timeout <time:string>`, `<board:file> [more...:string]`, `SEED=<seed:integer>`. */
import { ValidationError } from "./errors.ts";

/** One `<name:type>` or `[name:type]`. */
export interface Value {
  readonly name: string;
  readonly type: string;
  readonly optional: boolean;
  readonly variadic: boolean;
  /** `<names:string[]>`: comma separated. */
  readonly list: boolean;
}

/** Takes `<a:string> [b:number] [c...:string]` apart. */
export function parseValues(definition: string): Value[] {
  const values: Value[] = [];
  for (const part of definition.trim().split(/\s+/).filter(Boolean)) {
    const match = /^([<[])(\.\.\.)?([\w-]+)(\.\.\.)?(?::([\w-]+)(\[\])?)?[>\]]$/.exec(part);
    if (!match) throw new TypeError(`argument definition ${JSON.stringify(part)}: want <name:type> or [name:type]`);
    const [, open, before, name, after, type = "string", list] = match;
    values.push({ name, type, optional: open === "[", variadic: Boolean(before ?? after), list: Boolean(list) });
  }
  return values;
}

/** Takes `-t, --timeout <time:string>` apart. */
export function parseFlags(definition: string): { flags: string[]; values: Value[] } {
  const start = definition.search(/[<[]/);
  const head = start < 0 ? definition : definition.slice(0, start).replace(/=\s*$/, "");
  return {
    flags: head.trim().split(/[,\s]+/).filter(Boolean),
    values: start < 0 ? [] : parseValues(definition.slice(start)),
  };
}

const readers: Record<string, (text: string) => unknown> = {
  string: (text) => text,
  file: (text) => text,
  secret: (text) => text,
  number: (text) => text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined,
  integer: (text) => text.trim() !== "" && Number.isInteger(Number(text)) ? Number(text) : undefined,
  boolean: (text) => ({ true: true, false: false, 1: true, 0: false })[text],
};

/** Converts one value. `label` is `Option` or `Argument`, `name` as the user wrote it. Throws a {@linkcode ValidationError}. */
export function convert(value: Value, text: string, label: string, name: string): unknown {
  const read = readers[value.type];
  if (!read) throw new TypeError(`unknown type ${JSON.stringify(value.type)}`);
  const one = (item: string) => {
    const result = read(item);
    if (result === undefined) throw new ValidationError(`${label} "${name}" must be of type "${value.type}", but got "${item}".`);
    return result;
  };
  return value.list ? text.split(",").map(one) : one(text);
}
