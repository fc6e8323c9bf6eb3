/** Programs of a few words that do what no guest should, and how runs with them end. */

const HVC = 0xd400_0002;
/** movz x0, #0x8, lsl #16 · movk … : PSCI SYSTEM_OFF is 0x8400_0008. */
export const POWER_OFF = [0xd2b0_8000, 0xf280_0100, HVC];

/** A program, and how a run with it ends. */
export interface HostileProgram {
  readonly name: string;
  readonly program: readonly number[];
  readonly args?: readonly string[];
  readonly code: number;
  /** What standard error must say. */
  readonly says: readonly string[];
}

/** All of them. */
export const hostilePrograms: readonly HostileProgram[] = [
  { name: "powers off", program: POWER_OFF, code: 0, says: ["powered off"] },
  {
    name: "executes garbage: its vector has none either",
    program: [0xffff_ffff],
    code: 3,
    says: ["vCPU 0", "the exception vector", "ESR_EL1", "instruction abort", "FAR_EL1", "x0 "],
  },
  {
    // movz x1, #0xdead, lsl #16; br x1
    name: "jumps to nowhere",
    program: [0xd2bb_d5a1, 0xd61f_0020],
    code: 3,
    says: ["fetches from 0xdead", "where nothing is"],
  },
  {
    // adr x1, 0x800; msr vbar_el1, x1; udf. At VBAR + 0x200: udf.
    name: "loops in a fault of its own vector",
    program: [0x1000_4001, 0xd518_c001, 0, ...Array(0x280).fill(0)],
    code: 3,
    says: ["faults on itself", "udf", "ESR_EL1", "unknown reason"],
  },
  {
    // movz x1, #0x2000, lsl #16; ldr x0, [x1]: an external abort at a vector that isn't there.
    name: "touches addresses where nothing is",
    program: [0xd2a4_0001, 0xf940_0020],
    code: 3,
    says: ["IPA 0x2000_0000", "nothing is there"],
  },
  { name: "spins for ever", program: [0x1400_0000], code: 4, says: ["no progress", "PC 0x4008_0000 (b 0x40080000)"] },
  {
    // msr daifclr, #3; b .: an interrupt might come
    name: "spins for ever, and takes interrupts",
    program: [0xd503_43ff, 0x1400_0000],
    args: ["--timeout", "5ms"],
    code: 4,
    says: ["timeout", "5ms"],
  },
  {
    // msr daifset, #15; wfi; b .-4
    name: "waits for interrupts that it masked and nobody sends",
    program: [0xd503_4fdf, 0xd503_207f, 0x17ff_ffff],
    code: 4,
    says: ["vCPU 0"],
  },
  {
    // PSCI SYSTEM_RESET, 0x8400_0009
    name: "resets itself",
    program: [0xd2b0_8000, 0xf280_0120, HVC],
    args: ["--no-reboot"],
    code: 5,
    says: ["asked for a reboot"],
  },
  {
    // Counts to a million first: movz x2, #0x10, lsl #16; sub x2, x2, #1; cbnz x2, .-4
    name: "resets itself for ever",
    program: [0xd2a0_0202, 0xd100_0442, 0xb5ff_ffe2, 0xd2b0_8000, 0xf280_0120, HVC],
    args: ["--timeout", "20ms"],
    code: 4,
    says: ["timeout", "after 9 reboots"],
  },
];
