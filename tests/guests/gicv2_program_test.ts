/** A few instructions on a GICv2: what a CPU without system registers says, and EOImode 1, which Linux at EL1 doesn't use. */
import { assertEquals } from "@std/assert";
import { BOARD } from "../support/program.ts";
import { assemble, assembler, missing } from "../support/toolchain.ts";
import { Session } from "./session.ts";

const board = BOARD.replace("gicv3", "gicv2");

/** INTID 40, priority 0x40, by software, acknowledged in the vector for IRQs. X4: GICD, X5: GICC. */
const main = [
  "adr x1, . + 0x800",
  "msr vbar_el1, x1",
  "isb",
  "mov x18, #0",
  "mov x20, #0",
  "mrs x19, id_aa64pfr0_el1",
  "ubfx x19, x19, #24, #4",
  "mrs x3, icc_sre_el1",
  "mrs x3, icc_iar1_el1",
  "msr icc_sgi1r_el1, x3",
  "msr icc_pmr_el1, x3",
  "movz x4, #0x0800, lsl #16",
  "movz x5, #0x0801, lsl #16",
  "mov w6, #1",
  "str w6, [x4]", // GICD_CTLR.EnableGrp0
  "strb w6, [x4, #0x828]", // ITARGETSR of 40
  "mov w6, #0x40",
  "strb w6, [x4, #0x428]", // IPRIORITYR of 40
  "mov w6, #0x100",
  "str w6, [x4, #0x104]", // ISENABLER1
  "mov w6, #0xff",
  "str w6, [x5, #4]", // GICC_PMR
  "mov w6, #0x201",
  "str w6, [x5]", // GICC_CTLR: EnableGrp0, EOImode
  "ldr w25, [x5, #0xfc]", // IIDR
  "mov w6, #0x100",
  "str w6, [x4, #0x204]", // ISPENDR1
  "msr daifclr, #2",
  "msr daifset, #2",
];

/** Counts what is UNDEFINED, and goes on after it. */
const synchronous = [
  "mrs x9, esr_el1",
  "lsr x9, x9, #26",
  "orr x18, x18, x9",
  "add x20, x20, #1",
  "mrs x9, elr_el1",
  "add x9, x9, #4",
  "msr elr_el1, x9",
  "eret",
];

const interrupt = [
  "ldr w21, [x5, #0xc]", // IAR
  "ldr w22, [x5, #0x14]", // RPR
  "str w21, [x5, #0x10]", // EOIR
  "ldr w23, [x5, #0x14]",
  "ldr w24, [x4, #0x304]", // ISACTIVER1
  "add x8, x5, #1, lsl #12",
  "str w21, [x8]", // DIR
  "ldr w26, [x4, #0x304]",
  "eret",
];

/** What it prints, a character each. */
const results: [what: string, instruction: string, character: string][] = [
  ["ID_AA64PFR0_EL1.GIC is 0", "add w0, w19, #'0'", "0"],
  ["four accesses to ICC registers fail", "add w0, w20, #'0'", "4"],
  ["as UNDEFINED", "add w0, w18, #'0'", "0"],
  ["GICC_IAR says 40", "add w0, w21, #'A' - 40", "A"],
  ["GICC_RPR is its priority", "add w0, w22, #'B' - 0x40", "B"],
  ["and idle after GICC_EOIR", "sub w0, w23, #0xff - 'C'", "C"],
  ["when it is still active", "lsr w0, w24, #2", "@"],
  ["GICC_DIR ends it", "add w0, w26, #'E'", "E"],
  ["GICC_IIDR ends so", "and w0, w25, #0x7f", ";"],
];

/** Words of instructions, one to a line; throws when the assembler refuses one. */
function image(source: readonly string[]): Uint8Array {
  const words = assemble(source).map((line, n) => {
    if ("error" in line) throw new Error(`${source[n]}: ${line.error}`);
    return line.word;
  });
  return new Uint8Array(new Uint32Array(words).buffer);
}

/** A PSCI call that doesn't come back. */
const call = (functionId: number) => ["movz w0, #0x8400, lsl #16", `movk w0, #${functionId}`, "hvc #0"];
const SYSTEM_OFF = 8, SYSTEM_RESET = 9;

Deno.test({
  name: "GICv2: a vCPU without system registers, and EOImode 1; no exits but for the distributor and GICC_DIR",
  ignore: missing(assembler),
  async fn() {
    const print = results.flatMap(([, instruction]) => [instruction, "movz x7, #0x0900, lsl #16", "str w0, [x7]"]);
    const padded = (lines: readonly string[], length: number) => [...lines, ...Array<string>(length - lines.length).fill("nop")];
    const source = [...padded([...main, ...print, ...call(SYSTEM_OFF)], (0x800 + 0x200) / 4), ...padded(synchronous, 32), ...interrupt];
    const images = new Map([["program.bin", image(source)]]);
    using guest = await Session.start(board, { images });
    assertEquals(guest.finish().kind, "power-off");
    assertEquals([...guest.console], results.map(([, , character]) => character), results.map(([what]) => what).join("; "));
    assertEquals(guest.machine.stats.exits.get("mmio"), 5 + 2 + 1 + results.length);
  },
});

Deno.test({
  name: "GICv2: a domain that starts over gets it again",
  ignore: missing(assembler),
  async fn() {
    using guest = await Session.start(board, { images: new Map([["program.bin", image(call(SYSTEM_RESET))]]) });
    await guest.reboot();
    await guest.reboot();
    assertEquals(guest.machine.stats.reboots, 2);
  },
});

Deno.test({
  name: "a domain with a GICv2, another, and one with a GICv3 beside them: each CPU says what it has",
  ignore: missing(assembler),
  async fn() {
    const [head, tail] = BOARD.replace("  - use: gicv3\n", "").replace("80MiB", "240MiB").split("  - name: guest");
    const domain = (n: number, gic: string) =>
      `  - name: guest${n}${tail.replace("use: pl011", `use: pl011\n        port: console${n}`)}      - use: ${gic}\n`;
    const boards = head + domain(0, "gicv2") + domain(1, "gicv2") + domain(2, "gicv3");
    const print = ["ubfx x1, x1, #24, #4", "add w1, w1, #'0'", "movz x7, #0x0900, lsl #16", "str w1, [x7]"];
    const images = new Map([["program.bin", image(["mrs x1, id_aa64pfr0_el1", ...print, ...call(SYSTEM_OFF)])]]);
    using guest = await Session.start(boards, { images });
    assertEquals(guest.finish().kind, "power-off");
    assertEquals([...guest.console].sort().join(""), "001");
  },
});
