/** What the host's WebAssembly can do, found out by trying. */
import { f32, f32x4, f64, f64x2, i32, ModuleBuilder } from "../wasm/mod.ts";

let fuses: boolean | undefined;

/** Whether `relaxed_madd` rounds once in both precisions. It is the host's choice, the same in all of a process. */
export function hostFusesMultiplyAdd(): boolean {
  return fuses ??= probe();
}

/** (1 + e) * (1 - e) - 1 is -e², or 0 when the product is rounded. */
function probe(): boolean {
  const module = new ModuleBuilder({ minimum: 1, maximum: 1 });
  module.function([], "i32", (f) => {
    const doubles = f64x2.relaxed_madd(
      f64x2.splat(f64.const(1 + 2 ** -27)),
      f64x2.splat(f64.const(1 - 2 ** -27)),
      f64x2.splat(f64.const(-1)),
    );
    const singles = f32x4.relaxed_madd(
      f32x4.splat(f32.const(1 + 2 ** -12)),
      f32x4.splat(f32.const(1 - 2 ** -12)),
      f32x4.splat(f32.const(-1)),
    );
    const doubleFuses = f64.eq(f64x2.extract_lane(doubles, 0), f64.const(-(2 ** -54)));
    f.return(i32.and(doubleFuses, f32.eq(f32x4.extract_lane(singles, 0), f32.const(-(2 ** -24)))));
  }, "probe");
  try {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { env: { memory } });
    return (instance.exports.probe as () => number)() === 1;
  } catch {
    return false; // a host without relaxed SIMD
  }
}
