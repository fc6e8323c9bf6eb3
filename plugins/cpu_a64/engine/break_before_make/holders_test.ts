import { assertEquals } from "@std/assert";
import { holdersOf } from "./holders.ts";
import type { CheckedMachine, CheckedRegister } from "./machine.ts";
import { EL10, EL2, type RegimeNumber } from "./remembered.ts";
import type { TableFrames, Use } from "./tables.ts";

const TABLE = 0x4000_0000;
const EPD0 = 1 << 7, EPD1 = 1 << 23;

/** Numbers of the vCPUs that walk a table that all base registers lead to, by what each has in TCR_EL1. */
function holders(tcrs: readonly number[], regime: RegimeNumber, isUpper: boolean): number[] {
  const machine = {
    vcpus: () => tcrs.map((_, n) => n),
    isOn: () => true,
    vmid: () => 0,
    register: (vcpu: number, name: CheckedRegister, half: 0 | 1) => half === 1 ? 0 : name === "TCR_EL1" ? tcrs[vcpu] : TABLE,
  };
  const use: Partial<Use> = { regime, vmid: 0, isUpper, table: TABLE, parent: undefined };
  return holdersOf(machine as unknown as CheckedMachine, {} as TableFrames, use as Use);
}

Deno.test("a table that TCR_EL1.EPD0 or EPD1 keeps from being walked has no holder on that vCPU", () => {
  const tcrs = [0, EPD0, EPD1, EPD0 | EPD1];
  assertEquals(holders(tcrs, EL10, false), [0, 2]);
  assertEquals(holders(tcrs, EL10, true), [0, 1]);
  assertEquals(holders(tcrs, EL2, false), [0, 1, 2, 3]);
});
