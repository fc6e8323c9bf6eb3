/** Hand-written tables: one test per rule, readable next to the manual. */
import { assertEquals } from "@std/assert";
import {
  decodeAt,
  defaultFeatures,
  FETCH,
  MAINTAIN,
  PAN,
  READ,
  RIGHT_EXECUTE,
  RIGHT_READ,
  UNALIGNED,
  UNPRIVILEGED,
  UPDATE,
  WRITE,
} from "./mod.ts";
import type { MmuFeatures } from "./mod.ts";
import { BenchMachine } from "./tests/bench_machine.ts";

const RAM = 0x4000_0000;
const TABLE = 3n, PAGE = 3n, BLOCK = 1n;
const AF = 1n << 10n;
/** Attribute index of MAIR_EL1 below: 0 Device-nGnRE, 1 Normal Write-Back, 2 Normal Non-cacheable. */
const NORMAL = 1n << 2n;
const USER = 1n << 6n, READ_ONLY = 1n << 7n, NG = 1n << 11n, PXN = 1n << 53n, UXN = 1n << 54n;
const S2_RW = 3n << 6n, S2_WB = 0xfn << 2n, S2_DEVICE = 1n << 2n;

/** Stage 1: 39-bit VAs, 4 KiB granule, tables at RAM (L1), +0x1000 (L2), +0x2000 (L3); stage 2 off. VA 0x1000 is a page. */
function machine(leaf: bigint, features: Partial<MmuFeatures> = {}): BenchMachine {
  const m = new BenchMachine({ ...defaultFeatures, ...features });
  m.set("SCTLR_EL1", 1n);
  m.set("TCR_EL1", 25n | (25n << 16n) | (2n << 30n) | (5n << 32n));
  m.set("MAIR_EL1", 0x44ff04n);
  m.set("TTBR0_EL1", BigInt(RAM) | (0x1234n << 48n));
  m.set("TTBR1_EL1", BigInt(RAM) | (0x5678n << 48n));
  m.set("HCR_EL2", 1n << 31n);
  m.write64(RAM, BigInt(RAM + 0x1000) | TABLE);
  m.write64(RAM + 0x1000, BigInt(RAM + 0x2000) | TABLE);
  m.write64(RAM + 0x2008, leaf);
  return m;
}

/** The same, behind a stage 2 that maps IPA 0x8000_0000 (1 GiB, L1) to RAM by 4 KiB pages; `overrides` by page number. */
function nested(overrides: Record<number, bigint> = {}, features: Partial<MmuFeatures> = {}): BenchMachine {
  const m = machine(0n, features);
  const ipa = 0x8000_0000;
  m.set("TTBR0_EL1", BigInt(ipa));
  m.write64(RAM, BigInt(ipa + 0x1000) | TABLE);
  m.write64(RAM + 0x1000, BigInt(ipa + 0x2000) | TABLE);
  m.write64(RAM + 0x2008, BigInt(ipa + 0x5000) | PAGE | AF | NORMAL | USER);
  m.set("HCR_EL2", (1n << 31n) | 1n);
  m.set("VTCR_EL2", 25n | (1n << 6n) | (5n << 16n));
  m.set("VTTBR_EL2", BigInt(RAM + 0x8000) | (7n << 48n));
  m.write64(RAM + 0x8010, BigInt(RAM + 0x9000) | TABLE);
  m.write64(RAM + 0x9000, BigInt(RAM + 0xa000) | TABLE);
  for (let page = 0; page < 8; page++) {
    m.write64(RAM + 0xa000 + page * 8, overrides[page] ?? (BigInt(RAM + page * 0x1000) | PAGE | AF | S2_RW | S2_WB));
  }
  return m;
}

const PAGE_AT_5000 = BigInt(RAM + 0x5000) | PAGE | AF;

function fault(m: BenchMachine, va: bigint, el = 1, access = READ, flags = 0) {
  const done = m.mmu.translate(Number(va >> 32n), Number(va & 0xffff_ffffn), el, access, flags);
  assertEquals(done, false, `pa 0x${m.mmu.result.pa.toString(16)}`);
  return m.mmu.fault;
}

function translated(m: BenchMachine, va: bigint, el = 1, access = READ, flags = 0) {
  const done = m.mmu.translate(Number(va >> 32n), Number(va & 0xffff_ffffn), el, access, flags);
  assertEquals(done, true, `status 0b${m.mmu.fault.status.toString(2)} stage ${m.mmu.fault.stage}`);
  return m.mmu.result;
}

Deno.test("a page: address, size, rights, attributes and what was walked", () => {
  const m = machine(PAGE_AT_5000 | NORMAL | USER | READ_ONLY | NG | PXN | (3n << 8n) | (1n << 52n));
  const t = translated(m, 0x1abcn);
  assertEquals([t.pa, t.ipa, t.sizeBits, t.attributes, t.shareability], [RAM + 0x5abc, RAM + 0x5abc, 12, 0xff, 3]);
  assertEquals([t.rights, t.userRights, t.global, t.contiguous], [RIGHT_READ, RIGHT_READ | RIGHT_EXECUTE, false, true]);
  assertEquals([t.entries, t.startLevel, t.stage2Level], [3, 1, -1]);
  assertEquals([...t.entryAddress.subarray(0, 3)], [RAM, RAM + 0x1000, RAM + 0x2008]);
  assertEquals(
    t.entryLo[2] + t.entryHi[2] * 2 ** 32,
    Number(PAGE_AT_5000 | NORMAL | USER | READ_ONLY | NG | PXN | (3n << 8n) | (1n << 52n)),
  );
});

Deno.test("stage 1 translation faults carry the level", () => {
  const m = machine(PAGE_AT_5000);
  assertEquals(fault(m, 0x2000n).status, 0b000111);
  assertEquals(fault(m, 0x20_0000n).status, 0b000110);
  assertEquals(fault(m, 0x4000_0000n).status, 0b000101);
  assertEquals(fault(m, 0x80_0000_0000n).status, 0b000100, "between the two ranges");
  assertEquals(fault(m, 0xffff_0000_0000_1000n).status, 0b000100);
  assertEquals(fault(m, 0x0100_0000_0000_1000n).status, 0b000100, "tagged, TBI0 clear");
  assertEquals(translated(m, 0xffff_ff80_0000_1abcn).pa, RAM + 0x5abc);
});

Deno.test("block entries are illegal at level 3, and at level 0", () => {
  assertEquals(fault(machine((PAGE_AT_5000 & ~3n) | BLOCK), 0x1000n).status, 0b000111);
  const m = machine(0n);
  m.set("TCR_EL1", 16n | (5n << 32n));
  m.write64(RAM, BigInt(RAM) | BLOCK | AF);
  assertEquals(fault(m, 0x1000n).status, 0b000100);
});

Deno.test("blocks of 1 GiB and 2 MiB keep the offset inside", () => {
  const m = machine(0n);
  m.write64(RAM + 8, 0x4000_0000n | BLOCK | AF | NORMAL);
  assertEquals(translated(m, 0x4000_0000n + 0x3fff_f123n).pa, 0x7fff_f123);
  assertEquals(m.mmu.result.sizeBits, 30);
  m.write64(RAM + 0x1008, 0x1_2340_0000n | BLOCK | AF | NORMAL);
  assertEquals(translated(m, 0x3f_f123n).pa, 0x1_235f_f123);
  assertEquals(m.mmu.result.sizeBits, 21);
});

Deno.test("EPD0 and EPD1 stop walks of their range", () => {
  const m = machine(PAGE_AT_5000);
  m.set("TCR_EL1", m.register("TCR_EL1") | (1n << 7n));
  assertEquals(fault(m, 0x1000n).status, 0b000100);
  translated(m, 0xffff_ff80_0000_1000n);
  m.set("TCR_EL1", (m.register("TCR_EL1") ^ (1n << 7n)) | (1n << 23n));
  assertEquals(fault(m, 0xffff_ff80_0000_1000n).status, 0b000100);
});

Deno.test("TBI ignores the top byte; TBID counts it for fetches again", () => {
  const m = machine(PAGE_AT_5000 | NORMAL, { tbid: true });
  m.set("TCR_EL1", m.register("TCR_EL1") | (1n << 37n));
  translated(m, 0xab00_0000_0000_1000n);
  translated(m, 0xab00_0000_0000_1000n, 1, FETCH);
  m.set("TCR_EL1", m.register("TCR_EL1") | (1n << 51n));
  translated(m, 0xab00_0000_0000_1000n);
  assertEquals(fault(m, 0xab00_0000_0000_1000n, 1, FETCH).status, 0b000100);
});

Deno.test("access flag, address size, external abort", () => {
  const m = machine(PAGE_AT_5000 & ~AF);
  assertEquals(fault(m, 0x1000n).status, 0b001011);
  m.set("TCR_EL1", 25n); // IPS: 32 bits.
  m.write64(RAM + 0x2008, PAGE_AT_5000 | (1n << 32n));
  assertEquals(fault(m, 0x1000n).status, 0b000011);
  m.write64(RAM + 0x1000, BigInt(RAM + 0x2000) | TABLE | (1n << 40n));
  assertEquals(fault(m, 0x1000n).status, 0b000010);
  m.set("TTBR0_EL1", BigInt(RAM) | (1n << 33n));
  assertEquals(fault(m, 0x1000n).status, 0b000000, "TTBR beyond IPS");
  m.set("TTBR0_EL1", 0x1000_0000n);
  const external = fault(m, 0x1000n);
  assertEquals([external.status, external.toEl], [0b010101, 1]);
  m.set("HCR_EL2", (1n << 31n) | (1n << 37n));
  assertEquals(fault(m, 0x1000n).toEl, 2, "HCR_EL2.TEA");
});

Deno.test("stage 1 permissions: AP, unprivileged, PAN, WXN, tables", () => {
  const kernel = machine(PAGE_AT_5000 | NORMAL);
  assertEquals([translated(kernel, 0x1000n).rights, kernel.mmu.result.userRights], [7, RIGHT_EXECUTE]);
  assertEquals([fault(kernel, 0x1000n, 0).status, kernel.mmu.fault.write], [0b001111, false]);
  assertEquals(fault(kernel, 0x1000n, 1, READ, UNPRIVILEGED).status, 0b001111);

  const user = machine(PAGE_AT_5000 | NORMAL | USER);
  assertEquals(fault(user, 0x1000n, 1, FETCH).status, 0b001111, "EL0 may write it, so EL1 may not execute it");
  assertEquals(fault(user, 0x1000n, 1, READ, PAN).status, 0b001111);
  translated(user, 0x1000n, 1, READ, PAN | UNPRIVILEGED);
  translated(user, 0x1000n, 1, MAINTAIN, PAN);
  user.set("SCTLR_EL1", 1n | (1n << 19n));
  assertEquals(fault(user, 0x1000n, 0, FETCH).status, 0b001111, "WXN");

  const readOnly = machine(PAGE_AT_5000 | NORMAL | USER | READ_ONLY);
  assertEquals([fault(readOnly, 0x1000n, 0, WRITE).status, readOnly.mmu.fault.write], [0b001111, true]);
  assertEquals([fault(readOnly, 0x1000n, 0, UPDATE).status, readOnly.mmu.fault.write], [0b001111, true]);
  assertEquals([fault(kernel, 0x1000n, 0, UPDATE).status, kernel.mmu.fault.write], [0b001111, false], "its read fails first");

  const table = machine(PAGE_AT_5000 | NORMAL | USER, { hpds: true });
  table.write64(RAM + 0x1000, BigInt(RAM + 0x2000) | TABLE | (3n << 61n) | (1n << 59n));
  assertEquals([translated(table, 0x1000n).rights, table.mmu.result.userRights], [RIGHT_READ, RIGHT_EXECUTE]);
  table.set("TCR_EL1", table.register("TCR_EL1") | (1n << 41n));
  assertEquals([translated(table, 0x1000n).rights, table.mmu.result.userRights], [3, 7], "HPD0");
});

Deno.test("Device memory refuses unaligned accesses before it looks at permissions", () => {
  const m = machine(PAGE_AT_5000 | READ_ONLY);
  assertEquals([translated(m, 0x1000n).attributes, m.mmu.result.device, m.mmu.result.stage1Device], [0x04, true, true]);
  assertEquals([fault(m, 0x1001n, 1, WRITE, UNALIGNED).status, m.mmu.fault.toEl], [0b100001, 1]);
});

Deno.test("MMU off: flat, Device for data, Normal for fetches; the address must fit", () => {
  const m = machine(0n, { paBits: 40 });
  m.set("SCTLR_EL1", 0n);
  assertEquals([translated(m, 0x12_3456_7890n).pa, m.mmu.result.attributes, m.mmu.result.rights], [0x12_3456_7890, 0, 7]);
  assertEquals(translated(m, 0x1000n, 1, FETCH).attributes, 0x44);
  m.set("SCTLR_EL1", 1n << 12n);
  assertEquals(translated(m, 0x1000n, 1, FETCH).attributes, 0xaa);
  assertEquals(fault(m, 0x100_0000_0000n).status, 0b000000);
  assertEquals(fault(m, 0x1001n, 1, READ, UNALIGNED).status, 0b100001);
});

Deno.test("HCR_EL2.DC: stage 1 off and Write-Back, stage 2 on; TGE: faults of EL0 go to EL2", () => {
  const m = nested();
  m.set("HCR_EL2", (1n << 31n) | (1n << 12n));
  assertEquals([translated(m, 0x8000_5123n).pa, m.mmu.result.attributes], [RAM + 0x5123, 0xff]);
  assertEquals(m.mmu.vmid(), 7);
  m.set("HCR_EL2", (1n << 31n) | (1n << 27n));
  m.set("SCTLR_EL1", 1n);
  assertEquals([translated(m, 0x1000n, 0).pa], [0x1000]);
  assertEquals(fault(m, 1n << 50n, 0).toEl, 2);
});

Deno.test("nested: both stages, smaller leaf, stage 2 leaf kept", () => {
  const m = nested();
  const t = translated(m, 0x1abcn, 0, WRITE);
  assertEquals([t.pa, t.ipa, t.sizeBits, t.rights], [RAM + 0x5abc, 0x8000_5abc, 12, 7]);
  assertEquals([t.stage2Level, t.stage2Address], [3, RAM + 0xa000 + 5 * 8]);
  assertEquals(t.entryAddress[2], RAM + 0x2008, "a PA, not an IPA");
});

Deno.test("stage 2 faults: to EL2 with the IPA; HPFAR_EL2 valid except for permission faults", () => {
  const good = BigInt(RAM + 0x5000) | PAGE | AF | S2_RW | S2_WB;
  const rows: [string, bigint, number, number, boolean][] = [
    ["translation", 0n, READ, 0b000111, true],
    ["access flag", good & ~AF, READ, 0b001011, true],
    ["address size", good, READ, 0b000011, true],
    ["no read", good & ~(1n << 6n), READ, 0b001111, false],
    ["no write", good & ~(1n << 7n), WRITE, 0b001111, false],
    ["no execute", good | (1n << 54n), FETCH, 0b001111, false],
  ];
  for (const [name, leaf, access, status, ipaValid] of rows) {
    const m = nested({ 5: leaf });
    if (name === "address size") {
      m.set("VTCR_EL2", 25n | (1n << 6n)); // PS: 32 bits.
      m.write64(RAM + 0xa028, leaf | (1n << 36n));
    }
    const f = fault(m, 0x1abcn, 0, access);
    assertEquals([f.toEl, f.stage, f.status, f.s1ptw, f.ipa, f.ipaValid], [2, 2, status, false, 0x8000_5abc, ipaValid], name);
    assertEquals(f.write, access === WRITE, name);
  }
});

Deno.test("stage 2 faults on a stage 1 walk: S1PTW and the entry's IPA", () => {
  const table = BigInt(RAM + 0x2000) | PAGE | AF | S2_WB;
  const rows: [string, bigint, bigint, number][] = [
    ["translation", 0n, 0n, 0b000111],
    ["unreadable", table | (1n << 7n), 0n, 0b001111],
    ["Device and PTW", table | S2_RW & ~S2_WB, 1n << 2n, 0b001111],
  ];
  for (const [name, leaf, hcr, status] of rows) {
    const m = nested({ 2: name === "Device and PTW" ? BigInt(RAM + 0x2000) | PAGE | AF | S2_RW | S2_DEVICE : leaf });
    m.set("HCR_EL2", m.register("HCR_EL2") | hcr);
    const f = fault(m, 0x1abcn, 1, WRITE);
    assertEquals([f.toEl, f.stage, f.status, f.s1ptw, f.ipa, f.ipaValid], [2, 2, status, true, 0x8000_2008, true], name);
  }
});

Deno.test("a stage 1 table that stage 2 maps to no RAM is an external abort", () => {
  const m = nested({ 2: 0x1000_0000n | PAGE | AF | S2_RW | S2_WB });
  assertEquals([fault(m, 0x1000n).status, m.mmu.fault.toEl, m.mmu.fault.stage], [0b010111, 1, 1]);
});

Deno.test("stage 2 makes Normal memory Device: the alignment fault is stage 2's", () => {
  const m = nested({ 5: BigInt(RAM + 0x5000) | PAGE | AF | S2_RW | S2_DEVICE });
  assertEquals([translated(m, 0x1000n).attributes, m.mmu.result.stage1Device], [0x04, false]);
  const f = fault(m, 0x1001n, 1, READ, UNALIGNED);
  assertEquals([f.status, f.toEl, f.stage], [0b100001, 2, 2]);
});

Deno.test("FEAT_XNX: executable for one EL only", () => {
  const good = BigInt(RAM + 0x5000) | PAGE | AF | S2_RW | S2_WB;
  const leaf = BigInt(0x8000_5000) | PAGE | AF | NORMAL | READ_ONLY;
  for (const [xn, el0, el1] of [[0n, true, true], [1n, true, false], [2n, false, false], [3n, false, true]] as const) {
    const m = nested({ 5: good | (xn << 53n) }, { xnx: true });
    m.write64(RAM + 0x2008, leaf);
    for (const [el, may] of [[0, el0], [1, el1]] as const) {
      assertEquals(m.mmu.translate(0, 0x1000, el, FETCH, 0), may, `XN ${xn} EL${el}`);
    }
  }
});

Deno.test("concatenated roots and bad VTCR_EL2 values", () => {
  const m = nested();
  m.set("VTCR_EL2", 24n | (1n << 6n) | (5n << 16n)); // 40 bits: two roots.
  m.write64(RAM + 0x9000, 0x4000_0000n | BLOCK | AF | S2_RW | S2_WB); // The second root's first entry.
  m.set("SCTLR_EL1", 0n);
  assertEquals(translated(m, 0x80_0000_0123n).pa, RAM + 0x123);
  for (const vtcr of [24n | (3n << 6n), 24n, 39n | (2n << 6n), 12n | (2n << 6n), 45n | (1n << 6n)]) {
    m.mmu.invalidateStage2();
    m.set("VTCR_EL2", vtcr | (5n << 16n));
    assertEquals([fault(m, 0x8000_0000n).status, m.mmu.fault.stage], [0b000100, 2], `VTCR_EL2 ${vtcr.toString(16)}`);
  }
});

Deno.test("stage 2 results are cached by VMID until invalidated", () => {
  const m = nested();
  translated(m, 0x1000n);
  const entry = RAM + 0xa000 + 5 * 8;
  m.write64(entry, BigInt(RAM + 0x6000) | PAGE | AF | S2_RW | S2_WB);
  assertEquals(translated(m, 0x1000n).pa, RAM + 0x5000, "stale, as a TLB may be");
  m.mmu.invalidateStage2(6);
  assertEquals(translated(m, 0x1000n).pa, RAM + 0x5000, "another VMID");
  m.set("VTTBR_EL2", BigInt(RAM + 0x8000) | (8n << 48n));
  assertEquals(translated(m, 0x1000n).pa, RAM + 0x6000, "VMID 8 never saw the old entry");
  m.set("VTTBR_EL2", BigInt(RAM + 0x8000) | (7n << 48n));
  m.mmu.invalidateStage2(7);
  assertEquals(translated(m, 0x1000n).pa, RAM + 0x6000);
});

Deno.test("ASID and VMID in force", () => {
  const m = machine(0n);
  assertEquals([m.mmu.asid(), m.mmu.vmid()], [0x34, 0]);
  m.set("TCR_EL1", m.register("TCR_EL1") | (1n << 36n));
  assertEquals(m.mmu.asid(), 0x1234);
  m.set("TCR_EL1", m.register("TCR_EL1") | (1n << 22n));
  assertEquals(m.mmu.asid(), 0x5678);
});

Deno.test("AT and PAR_EL1", () => {
  const m = nested({ 6: 0n });
  const at = (op1: number, crm: number, op2: number, va: number, el = 1, pan = false) =>
    m.mmu.addressTranslate(decodeAt(op1, crm, op2, pan)!, 0, va, el)?.toString(16);
  assertEquals(at(0, 8, 0, 0x1abc), "ff00000080005a00", "S1E1R gives the IPA and stage 1 attributes");
  assertEquals(at(4, 8, 6, 0x1abc, 2), "ff00000040005a00", "S12E0R gives the PA");
  assertEquals(at(0, 8, 2, 0x2000), "80f", "S1E0R: translation fault, level 3");
  m.write64(RAM + 0x2008, 0x8000_6000n | PAGE | AF | NORMAL | USER);
  assertEquals(at(0, 8, 0, 0x1000), "ff00000080006a00", "stage 2 isn't asked for the result");
  assertEquals(at(4, 8, 4, 0x1000, 2), "a0f", "S12E1R: S set");
  assertEquals(at(0, 9, 0, 0x1000, 1, true), "81f", "S1E1RP: permission fault by PAN");

  m.write64(RAM + 0xa010, 0n);
  m.mmu.invalidateStage2();
  assertEquals(at(0, 8, 0, 0x1000, 2), "b0f", "at EL2: PTW and S");
  assertEquals(at(0, 8, 0, 0x1000), undefined, "at EL1: an exception to EL2");
  assertEquals([m.mmu.fault.toEl, m.mmu.fault.s1ptw, m.mmu.fault.write], [2, true, true]);
  assertEquals([decodeAt(0, 8, 4, false), decodeAt(4, 8, 2, false), decodeAt(3, 8, 0, false)], [undefined, undefined, undefined]);
});

Deno.test("EL2's own regime: one range, AP[1] and PXN without meaning", () => {
  const m = machine(PAGE_AT_5000 | NORMAL | USER | PXN);
  m.set("SCTLR_EL2", 1n);
  m.set("TCR_EL2", 25n | (5n << 16n));
  m.set("TTBR0_EL2", BigInt(RAM));
  m.set("MAIR_EL2", 0x44bb04n);
  m.set("HCR_EL2", (1n << 31n) | 1n);
  assertEquals([translated(m, 0x1123n, 2).pa, m.mmu.result.rights, m.mmu.result.attributes], [RAM + 0x5123, 7, 0xbb]);
  assertEquals([fault(m, 0xffff_ff80_0000_1000n, 2).status, m.mmu.fault.toEl], [0b000100, 2]);
  m.set("SCTLR_EL2", 1n | (1n << 19n));
  assertEquals(fault(m, 0x1000n, 2, FETCH).status, 0b001111);
  m.write64(RAM + 0x2008, PAGE_AT_5000 | NORMAL | READ_ONLY | UXN);
  assertEquals(translated(m, 0x1000n, 2).rights, RIGHT_READ);
});
