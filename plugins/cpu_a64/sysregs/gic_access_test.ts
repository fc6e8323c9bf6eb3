/** Every encoding of the GIC's system registers from EL0 and EL1, read and written: UNDEFINED, a trap or the virtual CPU interface. */
import { assertEquals } from "@std/assert";
import { SPSEL, STATE_SIZE } from "../state.ts";
import { access, packEncoding, RegisterFile, registerOffset, setLong, setWord, type StateBlock } from "./mod.ts";
import { modelByName, withGic } from "./models.ts";

/** `.`: UNDEFINED; `v`: the virtual CPU interface answers; `2`: a trap to EL2. EL0 read and write, EL1 read and write. */
type Outcome = `${"." | "v" | "2"}${"." | "v" | "2"}${"." | "v" | "2"}${"." | "v" | "2"}`;

/** What holds while a guest runs: interrupts are virtual, ICC_DIR_EL1 traps, EL1 may use ICC_SRE_EL1. */
const RUNNING: Readonly<Record<string, bigint>> = { HCR_EL2: 0x18n, ICH_HCR_EL2: 1n | 1n << 14n, ICC_SRE_EL1: 7n, ICC_SRE_EL2: 15n };

const rows: readonly (readonly [name: string, crm: number, op2: number, outcome: Outcome])[] = [
  ["ICC_IAR0_EL1", 8, 0, "..v."],
  ["ICC_EOIR0_EL1", 8, 1, "...v"],
  ["ICC_HPPIR0_EL1", 8, 2, "..v."],
  ["ICC_BPR0_EL1", 8, 3, "..vv"],
  ["ICC_AP0R0_EL1", 8, 4, "..vv"],
  // Five bits of priority: ICC_AP0R1_EL1 to ICC_AP0R3_EL1 and ICC_AP1R1_EL1 to ICC_AP1R3_EL1 don't exist.
  ["ICC_AP1R0_EL1", 9, 0, "..vv"],
  ["ICC_DIR_EL1", 11, 1, "...2"],
  ["ICC_RPR_EL1", 11, 3, "..v."],
  ["ICC_SGI1R_EL1", 11, 5, "...2"],
  ["ICC_ASGI1R_EL1", 11, 6, "...2"],
  ["ICC_SGI0R_EL1", 11, 7, "...2"],
  ["ICC_IAR1_EL1", 12, 0, "..v."],
  ["ICC_EOIR1_EL1", 12, 1, "...v"],
  ["ICC_HPPIR1_EL1", 12, 2, "..v."],
  ["ICC_BPR1_EL1", 12, 3, "..vv"],
  ["ICC_CTLR_EL1", 12, 4, "..vv"],
  ["ICC_SRE_EL1", 12, 5, "..vv"],
  ["ICC_IGRPEN0_EL1", 12, 6, "..vv"],
  ["ICC_IGRPEN1_EL1", 12, 7, "..vv"],
];

const file = new RegisterFile(withGic(modelByName("max")));

function blockWith(values: Readonly<Record<string, bigint>>): StateBlock {
  const block = { words: new Uint32Array(STATE_SIZE / 2), base: STATE_SIZE / 8 };
  setWord(block, SPSEL, 1);
  for (const [name, value] of Object.entries(values)) setLong(block, registerOffset(name), value);
  return block;
}

function outcome(packed: number, block: StateBlock): string {
  const register = file.find(packed);
  const one = (el: number, isWrite: boolean): string => {
    const answer = register ? access(register, el, isWrite, block) : "undefined";
    return answer === "undefined" ? "." : answer === "ok" ? "v" : String(answer.trapTo);
  };
  return one(0, false) + one(0, true) + one(1, false) + one(1, true);
}

Deno.test("op0 3, op1 0, CRn 12, CRm 8 to 15: what the table says, and nothing else is there", () => {
  const block = blockWith(RUNNING);
  const found: unknown[] = [];
  const expected: unknown[] = [];
  for (let crm = 8; crm < 16; crm++) {
    for (let op2 = 0; op2 < 8; op2++) {
      const [name, , , says] = rows.find((r) => r[1] === crm && r[2] === op2) ?? ["nothing", crm, op2, "...."];
      const packed = packEncoding(3, 0, 12, crm, op2);
      expected.push([crm, op2, name, says]);
      found.push([crm, op2, file.find(packed)?.name ?? "nothing", outcome(packed, block)]);
    }
  }
  assertEquals(found, expected);
  assertEquals(outcome(packEncoding(3, 0, 4, 6, 0), block), "..vv"); // ICC_PMR_EL1
});

Deno.test("registers of EL2 and EL3 are UNDEFINED at EL0 and EL1", () => {
  const block = blockWith(RUNNING);
  for (const op1 of [4, 6]) {
    for (let crm = 8; crm < 16; crm++) {
      for (let op2 = 0; op2 < 8; op2++) assertEquals(outcome(packEncoding(3, op1, 12, crm, op2), block), "....", `${op1} ${crm} ${op2}`);
    }
  }
});

const traps: readonly (readonly [name: string, bit: bigint, trapped: readonly string[]])[] = [
  ["TC", 10n, ["ICC_PMR_EL1", "ICC_RPR_EL1", "ICC_CTLR_EL1", "ICC_DIR_EL1", "ICC_SGI1R_EL1", "ICC_ASGI1R_EL1", "ICC_SGI0R_EL1"]],
  ["TALL0", 11n, ["ICC_IAR0_EL1", "ICC_EOIR0_EL1", "ICC_HPPIR0_EL1", "ICC_BPR0_EL1", "ICC_AP0R0_EL1", "ICC_IGRPEN0_EL1"]],
  ["TALL1", 12n, ["ICC_IAR1_EL1", "ICC_EOIR1_EL1", "ICC_HPPIR1_EL1", "ICC_BPR1_EL1", "ICC_AP1R0_EL1", "ICC_IGRPEN1_EL1"]],
  ["TDIR", 14n, ["ICC_DIR_EL1"]],
];
for (const [name, bit, trapped] of traps) {
  Deno.test(`ICH_HCR_EL2.${name} traps what it names`, () => {
    // Without HCR_EL2.IMO and FMO, which trap SGIs too.
    const block = blockWith({ ...RUNNING, HCR_EL2: 0n, ICH_HCR_EL2: 1n << bit });
    const found = [["ICC_PMR_EL1", 4, 6, 0] as const, ...rows.map(([n, crm, op2]) => [n, 12, crm, op2] as const)]
      .filter(([, crn, crm, op2]) => outcome(packEncoding(3, 0, crn, crm, op2), block).includes("2"))
      .map(([n]) => n);
    assertEquals(found.sort(), [...trapped].sort());
  });
}

Deno.test("without ICC_SRE_EL1.SRE the CPU interface is UNDEFINED at EL1, without ICC_SRE_EL2.Enable ICC_SRE_EL1 traps", () => {
  const off = blockWith({ ...RUNNING, ICC_SRE_EL1: 6n });
  for (const [name, crm, op2] of rows) {
    assertEquals(outcome(packEncoding(3, 0, 12, crm, op2), off), name === "ICC_SRE_EL1" ? "..vv" : "....", name);
  }
  assertEquals(outcome(packEncoding(3, 0, 12, 12, 5), blockWith({ ...RUNNING, ICC_SRE_EL2: 7n })), "..22");
});

Deno.test("a model without a GICv3 has none of them", () => {
  const bare = new RegisterFile(modelByName("max"));
  for (const [name, crm, op2] of rows) assertEquals(bare.find(packEncoding(3, 0, 12, crm, op2)), undefined, name);
  for (let crm = 8; crm < 14; crm++) for (let op2 = 0; op2 < 8; op2++) assertEquals(bare.find(packEncoding(3, 4, 12, crm, op2)), undefined);
});
