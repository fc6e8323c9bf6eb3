/** A CPU of every feature with 1 MiB of RAM and programs of a few words in it. */
import { Ram } from "../../../../core/memory/ram.ts";
import { modelByName } from "../../sysregs/mod.ts";
import type { CpuOptions } from "../cpu_options.ts";
import { A64Engine } from "../engine.ts";
import type { Tier1Mode } from "../tier1/tier1.ts";

/** Where its RAM begins. */
export const BASE = 0x4000_0000;

/** Words by address. With tier 1 on, code is hot soon. */
export function programMachine(
  programs: Readonly<Record<number, readonly number[]>>,
  tier1?: Tier1Mode,
  options: Pick<CpuOptions, "translations" | "uncompiled" | "profiles" | "neighbours"> = {},
): { engine: A64Engine; ram: Ram } {
  const ram = new Ram([{ at: BASE, size: 0x10_0000 }]);
  const engine = new A64Engine({
    memory: ram,
    bus: { claim() {}, find: () => undefined },
    model: modelByName("max"),
    counterFrequencyHz: 62_500_000,
    smc: "trap",
    tier1,
    ...options,
  });
  const { hotness } = engine.cpu.tier1 ?? {};
  if (hotness) Object.assign(hotness.tuning, { period: 50, firstThreshold: 1, leastInterpreted: 0, patience: 0 });
  for (const [at, words] of Object.entries(programs)) {
    ram.view(Number(at), words.length * 4).set(new Uint8Array(new Uint32Array(words).buffer));
  }
  return { engine, ram };
}

/** A vCPU of such a machine that begins at {@linkcode BASE}. Code is hot no sooner than a guest's. */
export function patientVcpu(engine: A64Engine) {
  const { hotness } = engine.cpu.tier1 ?? {};
  if (hotness) Object.assign(hotness.tuning, { period: 20_000, firstThreshold: 8, leastInterpreted: 32, patience: 500_000 });
  const vcpu = engine.createVcpu({ mpidr: 0n });
  vcpu.write("HCR_EL2", 1n << 31n);
  vcpu.pc = BigInt(BASE);
  return vcpu;
}
