/**
 * The register maps of Arm IHI 0069, as a guest finds them: "The Distributor register map", "The Redistributor register map". One row a
 * register; every offset that no row names is RAZ/WI, and so is every width that a register doesn't have.
 */
import { assertEquals } from "@std/assert";
import { bench } from "../../../core/testing.ts";
import type { MmioHandler } from "../../../core/mod.ts";
import { gicv3 } from "./plugin.ts";

const GICD = 0x0800_0000;
const GICR = 0x080a_0000;
const VCPUS = 3;
const SPIS = 224;

/** What a word reads after a write, from what it read before. */
type After = (written: number, before: number) => number;

interface Row {
  readonly name: string;
  readonly at: number;
  /** Where the row ends; a word when absent. */
  readonly end?: number;
  readonly after: After;
  /** Widths besides 32 bits. */
  readonly also?: 8 | 16 | 64;
}

const ro = (value: number): After => () => value >>> 0;
const rw = (mask: number, fixed = 0): After => (written) => (written & mask | fixed) >>> 0;
const w1s = (mask = 0xffff_ffff): After => (written, before) => (before | written & mask) >>> 0;
const w1c: After = (written, before) => (before & ~written) >>> 0;
/** Nothing is pending or set by these values: message and INTIDs that aren't SPIs. */
const wo: After = () => 0;

const row = (name: string, at: number, after: After, end?: number, also?: Row["also"]): Row => ({ name, at, after, end, also });

/** PIDR4 to PIDR7, PIDR0 to PIDR3, CIDR0 to CIDR3: an Arm GICv3. */
const identification = (part: number): Row[] =>
  [0x44, 0, 0, 0, part, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1].map((value, n) => row(`ID ${n}`, 0xffd0 + 4 * n, ro(value)));

const distributor: readonly Row[] = [
  row("GICD_CTLR", 0x0000, rw(3, 0x50)), // DS, ARE; RWP is 0
  row("GICD_TYPER", 0x0004, ro(1 << 24 | 9 << 19 | 1 << 16 | 7)), // A3V, 10 bits, MBIS, 256 INTIDs
  row("GICD_IIDR", 0x0008, ro(0x5000_043b)),
  row("GICD_SETSPI_NSR", 0x0040, wo, undefined, 16),
  row("GICD_CLRSPI_NSR", 0x0048, wo, undefined, 16),
  row("GICD_IGROUPR<n>", 0x0084, rw(0xffff_ffff), 0x00a0),
  row("GICD_ISENABLER<n>", 0x0104, w1s(), 0x0120),
  row("GICD_ICENABLER<n>", 0x0184, w1c, 0x01a0),
  row("GICD_ISPENDR<n>", 0x0204, w1s(), 0x0220),
  row("GICD_ICPENDR<n>", 0x0284, w1c, 0x02a0),
  row("GICD_ISACTIVER<n>", 0x0304, w1s(), 0x0320),
  row("GICD_ICACTIVER<n>", 0x0384, w1c, 0x03a0),
  row("GICD_IPRIORITYR<n>", 0x0420, rw(0xf8f8_f8f8), 0x0500, 8),
  row("GICD_ICFGR<n>", 0x0c08, rw(0xaaaa_aaaa), 0x0c40),
  ...Array.from({ length: SPIS }, (_, n) => [
    row(`GICD_IROUTER${32 + n}, low`, 0x6100 + 8 * n, rw(0x80ff_ffff), undefined, 64),
    row(`GICD_IROUTER${32 + n}, high`, 0x6104 + 8 * n, rw(0xff)),
  ]).flat(),
  ...identification(0x92),
];

const redistributor = (v: number): readonly Row[] => [
  row("GICR_CTLR", 0x0000, ro(0)), // no LPIs; RWP and UWP are 0
  row("GICR_IIDR", 0x0004, ro(0x5000_043b)),
  row("GICR_TYPER, low", 0x0008, ro(v << 8 | (v === VCPUS - 1 ? 1 << 4 : 0)), undefined, 64),
  row("GICR_TYPER, high", 0x000c, ro(v)),
  row("GICR_WAKER", 0x0014, (written) => (written & 2) !== 0 ? 6 : 0),
  ...identification(0x93),
];

const privateInterrupts: readonly Row[] = [
  row("GICR_IGROUPR0", 0x0080, rw(0xffff_ffff)),
  row("GICR_ISENABLER0", 0x0100, w1s()),
  row("GICR_ICENABLER0", 0x0180, w1c),
  row("GICR_ISPENDR0", 0x0200, w1s()),
  row("GICR_ICPENDR0", 0x0280, w1c),
  row("GICR_ISACTIVER0", 0x0300, w1s()),
  row("GICR_ICACTIVER0", 0x0380, w1c),
  row("GICR_IPRIORITYR<n>", 0x0400, rw(0xf8f8_f8f8), 0x0420, 8),
  row("GICR_ICFGR0", 0x0c00, ro(0xaaaa_aaaa)), // SGIs are edges
  row("GICR_ICFGR1", 0x0c04, ro(0)), // PPIs are levels
  ...identification(0x93),
];

const frames: [name: string, at: number, rows: readonly Row[]][] = [
  ["GICD", GICD, distributor],
  ...Array.from({ length: VCPUS }, (_, v): [string, number, readonly Row[]][] => [
    [`GICR ${v}, RD_base`, GICR + v * 0x2_0000, redistributor(v)],
    [`GICR ${v}, SGI_base`, GICR + v * 0x2_0000 + 0x1_0000, privateInterrupts],
  ]).flat(),
];

const VALUES = [0xffff_ffff, 0, 0xa5a5_a5a5, 0x5a5a_5a5a, 0];

/** A frame's words by offset. */
function byOffset(rows: readonly Row[]): Map<number, Row> {
  const found = new Map<number, Row>();
  for (const r of rows) for (let at = r.at; at < (r.end ?? r.at + 4); at += 4) found.set(at, r);
  return found;
}

async function windows(): Promise<(at: number) => { read(offset: number, size: number): bigint; write: MmioHandler["write"] }> {
  const kit = bench({ vcpus: VCPUS, interrupts: false });
  kit.domain.vcpus.forEach(({ state }) => state.write("ICH_VTR_EL2", 0x9000_0003n));
  await kit.attach(gicv3, { distributor: GICD, redistributors: GICR, spis: SPIS });
  kit.domain.vcpus.forEach((vcpu) => vcpu.start(0x4000_0000n, 0n));
  return (at) => {
    const window = kit.scope.claims.window(at)!;
    const { handler } = window.value;
    const base = at - window.at;
    return {
      read: (offset, size) => BigInt(handler.read(base + offset, size, kit.vcpu(0))),
      write: (offset, size, value) => handler.write(base + offset, size, value, kit.vcpu(0)),
    };
  };
}

for (const [name, at, rows] of frames) {
  Deno.test(`${name}: every word is what the map says`, async () => {
    const frame = (await windows())(at);
    const words = byOffset(rows);
    for (let offset = 0; offset < 0x1_0000; offset += 4) {
      const { name = "nothing", after = ro(0) } = words.get(offset) ?? {};
      for (const value of VALUES) {
        const before = Number(frame.read(offset, 4));
        frame.write(offset, 4, BigInt(value), undefined);
        const read = Number(frame.read(offset, 4));
        if (read !== after(value, before)) assertEquals(read, after(value, before), `${name} at 0x${offset.toString(16)} after ${value}`);
      }
    }
  });

  Deno.test(`${name}: bytes, halves and doublewords where the map has them, else RAZ/WI`, async () => {
    const frame = (await windows())(at);
    const words = byOffset(rows);
    const where = (offset: number, size: number) => `${size} bytes at 0x${offset.toString(16)}`;
    for (let offset = 0; offset < 0x1_0000; offset++) {
      const word = offset & ~3;
      const { also, after = ro(0) } = words.get(word) ?? {};
      for (const size of [1, 2, 4, 8]) {
        const aligned = offset % size === 0;
        if ((size === 4 && aligned) || offset + size > 0x1_0000) continue;
        const before = Number(frame.read(word, 4));
        const all = 2n ** BigInt(8 * size) - 1n;
        frame.write(offset, size, all, undefined);
        const read = frame.read(offset, size);
        let expected = 0n;
        let left = before;
        if (size === 1 && also === 8) {
          const shift = 8 * (offset & 3);
          left = (before | after(0xff << shift, 0)) >>> 0;
          expected = BigInt(left >>> shift & 0xff);
        } else if (size === 8 && also === 64 && aligned) {
          left = after(0xffff_ffff, before);
          expected = BigInt(words.get(word + 4)!.after(0xffff_ffff, 0)) << 32n | BigInt(left);
        }
        const now = Number(frame.read(word, 4));
        if (read !== expected || now !== left) assertEquals([read, now], [expected, left], where(offset, size));
      }
    }
  });
}

Deno.test("GICD_SETSPI_NSR and GICD_CLRSPI_NSR take halves as well as words", async () => {
  const frame = (await windows())(GICD);
  frame.write(0xc0c, 4, 0xaaaa_aaaan, undefined); // 48 to 63: edges
  for (const size of [2, 4]) {
    frame.write(0x40, size, 56n, undefined);
    assertEquals(frame.read(0x204, 4), 1n << 24n);
    frame.write(0x48, size, 56n, undefined);
    assertEquals(frame.read(0x204, 4), 0n);
  }
  for (const size of [1, 8]) frame.write(0x40, size, 56n, undefined);
  frame.write(0x42, 2, 56n, undefined);
  frame.write(0x50, 4, 56n, undefined); // the Secure one
  assertEquals(frame.read(0x204, 4), 0n);
});
