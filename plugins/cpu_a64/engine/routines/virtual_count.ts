/** CNTVCT_EL0 as WebAssembly: `nsAfter` of the core and `virtualCount` of `timers.ts`, from what the state block has of the run. */
import { PARTS_PER_NS } from "../../../../core/mod.ts";
import { type I32, i32, type I64, i64 } from "../../wasm/mod.ts";
import type { FunctionBuilder } from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import { registerOffset } from "../../sysregs/mod.ts";
import { ticksPerNs } from "../timers.ts";

const CNTKCTL_EL1 = registerOffset("CNTKCTL_EL1"), CNTVOFF_EL2 = registerOffset("CNTVOFF_EL2");
const EL0VCTEN = 1 << 1;

/** Where the code sits. */
export interface CountPlace {
  readonly f: FunctionBuilder;
  /** Address of the state block. */
  readonly base: number;
  readonly counterFrequencyHz: number;
}

/**
 * The virtual count at the present instruction. `left`: what the budget has without it. Leaves by `elsewhere` if it isn't so simple: EL0 may
 * not read it, the clock must be asked, or the product overflows.
 */
export function writeVirtualCount({ f, base, counterFrequencyHz }: CountPlace, left: I32, elsewhere: (unlikely: I32) => void): I64 {
  const word = (offset: number) => i32.load(i32.const(0), base + offset);
  const long = (offset: number) => i64.load(i32.const(0), base + offset);
  const { ticks, ns: per } = ticksPerNs(counterFrequencyHz);
  elsewhere(i32.eqz(i32.or(word(at.EL), i32.and(word(CNTKCTL_EL1), i32.const(EL0VCTEN)))));
  elsewhere(i32.eqz(word(at.TIME_STEP)));
  const retired = i32.sub(i32.sub(word(at.GIVEN), word(at.BEYOND)), left);
  const parts = i64.add(i64.extend_u(word(at.TIME_PARTS)), i64.mul(i64.extend_u(retired), i64.extend_u(word(at.TIME_STEP))));
  const ns = f.let(i64.add(long(at.TIME_NS), i64.div_u(parts, i64.const(BigInt(PARTS_PER_NS)))));
  elsewhere(i64.gt_u(ns, i64.const((1n << 63n) / BigInt(ticks) - 1n)));
  return i64.sub(i64.div_u(i64.mul(ns, i64.const(BigInt(ticks))), i64.const(BigInt(per))), long(CNTVOFF_EL2));
}
