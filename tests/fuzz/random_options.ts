/** Random values for a plugin's options, from how they are described: what a manifest's check would let through. */
import type { OptionSpec, OptionSpecs } from "../../core/mod.ts";
import type { Random } from "../support/random.ts";

/** Most that a random number is above its least value, where the option has no greatest. */
const SPAN = 64;

function number({ min = 0, max, align = 1, default: usual }: OptionSpec, random: Random): number {
  if (max === undefined && typeof usual === "number" && random.chance(0.5)) return usual;
  const least = Math.ceil(min / align);
  const most = max === undefined ? least + SPAN : Math.floor(max / align);
  const steps = random.chance(0.3) ? random.pick([0, most - least]) : random.below(most - least + 1);
  return (least + steps) * align;
}

function value(spec: OptionSpec, random: Random): unknown {
  switch (spec.kind) {
    case "boolean":
      return random.chance(0.5);
    case "choice":
      return random.pick(spec.choices!);
    case "integer":
    case "size":
    case "duration":
      return number(spec, random);
    case "text":
      return random.chance(0.5) && spec.default !== undefined ? spec.default : random.pick(["a", "b", "console", ""]);
    default:
      return spec.default;
  }
}

function checked(spec: OptionSpec, random: Random): unknown {
  const one = { ...spec, default: spec.list ? undefined : spec.default };
  for (let tries = 0; tries < 32; tries++) {
    const found = spec.list ? Array.from({ length: random.below(4) }, () => value(one, random)) : value(one, random);
    if (found !== undefined && spec.check?.(found) === undefined) return found;
  }
  return spec.default;
}

/** Where a device is whose board must say it. */
const PLACES: Readonly<Partial<Record<OptionSpec["kind"], number>>> = { address: 0x0a00_0000, interrupt: 60 };

/** Options of these specs; addresses, interrupts and images keep their defaults, `fixed` wins. */
export function randomOptions(specs: OptionSpecs, random: Random, fixed: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const { kind, default: usual, optional } = spec;
    if (name in fixed) options[name] = fixed[name];
    else if (optional && random.chance(0.5)) continue;
    else if (kind === "address" || kind === "interrupt") options[name] = usual ?? (optional ? undefined : PLACES[kind]);
    else if (kind === "any" || kind === "image") options[name] = usual;
    else options[name] = checked(spec, random);
  }
  return options;
}
