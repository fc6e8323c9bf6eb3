/**
 * A slow reference for the MMU, in the structure of the manual's pseudocode: BigInt, records, no shared code
 * with the engine. Where the architecture leaves a choice, it makes the engine's choice, each marked "Choice".
 * Arm ARM DDI 0487, "Shared pseudocode", aarch64/translation.
 */
import { combineS1S2, flatAttributes, s1Attributes, s2Attributes, s2ForcedAttributes, s2RawIsDevice } from "./model_attributes.ts";
import type { Attributes } from "./model_attributes.ts";

export type Access = "read" | "write" | "fetch" | "update" | "maintain";

export interface ModelFeatures {
  paBits: number;
  hpds: boolean;
  xnx: boolean;
  tbid: boolean;
}

export interface Query {
  va: bigint;
  el: 0 | 1 | 2;
  access: Access;
  unprivileged: boolean;
  pan: boolean;
  unaligned: boolean;
}

export interface Fault {
  ok: false;
  kind: "translation" | "access-flag" | "permission" | "address-size" | "external" | "alignment";
  level: number;
  stage: 1 | 2;
  s1ptw: boolean;
  ipa: bigint;
  toEl: number;
  write: boolean;
}

export interface Success {
  ok: true;
  pa: bigint;
  ipa: bigint;
  attributes: Attributes;
  /** log2 of the smaller leaf; 64 when no stage translates. */
  size: number;
  global: boolean;
  contiguous: boolean;
  s1Device: boolean;
}

/** `undefined`: not RAM. */
export interface ModelMachine {
  read64(pa: bigint): bigint | undefined;
  register(name: string): bigint;
  features: ModelFeatures;
}

interface Leaf {
  descriptor: bigint;
  level: number;
  size: number;
  output: bigint;
  apTable: bigint;
  xnTable: boolean;
  pxnTable: boolean;
}

const bits = (value: bigint, high: number, low: number) => (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const bit = (value: bigint, at: number) => ((value >> BigInt(at)) & 1n) === 1n;
const outputSizes = [32, 36, 40, 42, 44, 48, 52, 48]; // Choice: the reserved value is 48 bits.

class Failed extends Error {
  constructor(readonly kind: Fault["kind"], readonly level: number, readonly stage: 1 | 2, readonly s1ptw: boolean, readonly ipa: bigint) {
    super(kind);
  }
}

function byteReverse(value: bigint): bigint {
  let out = 0n;
  for (let i = 0; i < 8; i++) out = (out << 8n) | bits(value, 8 * i + 7, 8 * i);
  return out;
}

function granuleBits(tg: bigint, second: boolean): number {
  const names = second ? ["4K", "16K", "4K", "64K"] : ["4K", "64K", "16K", "4K"]; // Choice: reserved values are 4 KiB.
  return { "4K": 12, "16K": 14, "64K": 16 }[names[Number(tg)]]!;
}

export class Model {
  constructor(private readonly machine: ModelMachine) {}

  translate(q: Query): Success | Fault {
    const hcr = this.machine.register("HCR_EL2");
    try {
      const first = q.el === 2 ? this.#regimeEl2(q) : this.#regimeEl10(q);
      if (q.el === 2 || !(bit(hcr, 0) || bit(hcr, 12))) return first;
      return this.#second(q, first);
    } catch (failed) {
      if (!(failed instanceof Failed)) throw failed;
      const external = failed.kind === "external";
      let toEl = q.el === 2 ? 2 : 1;
      if (failed.stage === 2 || (q.el !== 2 && bit(hcr, 27)) || (external && bit(hcr, 37))) toEl = 2;
      let write = q.access === "write" || q.access === "maintain" || q.access === "update";
      if (failed.kind === "permission" && failed.s1ptw) write = false;
      if (failed.kind === "permission" && q.access === "update" && this.#readFails(q, failed)) write = false;
      return {
        ok: false,
        kind: failed.kind,
        level: failed.level,
        stage: failed.stage,
        s1ptw: failed.s1ptw,
        ipa: failed.ipa,
        toEl,
        write,
      };
    }
  }

  /** An update whose read alone would meet the same fault reports a read. */
  #readFails(q: Query, failed: Failed): boolean {
    const read = this.translate({ ...q, access: "read" });
    return !read.ok && read.kind === "permission" && read.stage === failed.stage;
  }

  #regimeEl10(q: Query): Success {
    const reg = (name: string) => this.machine.register(name);
    const tcr = reg("TCR_EL1");
    const sctlr = reg("SCTLR_EL1");
    const hcr = reg("HCR_EL2");
    const upper = bit(q.va, 55);
    const fetch = q.access === "fetch";
    const tbi = bit(tcr, upper ? 38 : 37) && !(fetch && this.machine.features.tbid && bit(tcr, upper ? 52 : 51));
    const top = tbi ? 55 : 63;
    const dc = bit(hcr, 12);
    if (!bit(sctlr, 0) || dc || bit(hcr, 27)) return this.#flat(q, top, sctlr, dc);

    const txsz = Number(upper ? bits(tcr, 21, 16) : bits(tcr, 5, 0));
    const leaf = this.#s1Walk({
      q,
      top,
      upper,
      txsz,
      granule: upper ? granuleBits(bits(tcr, 31, 30), true) : granuleBits(bits(tcr, 15, 14), false),
      disabled: bit(tcr, upper ? 23 : 7),
      hpd: this.machine.features.hpds && bit(tcr, upper ? 42 : 41),
      ps: bits(tcr, 34, 32),
      base: reg(upper ? "TTBR1_EL1" : "TTBR0_EL1"),
      bigEndian: bit(sctlr, 25),
      nested: bit(hcr, 0),
    });
    const d = leaf.descriptor;
    const attributes = s1Attributes(reg("MAIR_EL1"), bits(d, 4, 2), bits(d, 9, 8));
    const device = attributes.type === "Device";
    if (q.unaligned && !fetch && device) throw new Failed("alignment", 0, 1, false, 0n);

    // Pseudocode AArch64.S1DirectBasePermissions, then PAN, then WXN.
    const ap2 = bit(d, 7) || bit(leaf.apTable, 1);
    const ap1 = bit(d, 6) && !bit(leaf.apTable, 0);
    const perms = { r: true, w: !ap2, x: !(bit(d, 53) || leaf.pxnTable) };
    const user = { r: ap1, w: ap1 && !ap2, x: !(bit(d, 54) || leaf.xnTable) };
    if (user.w) perms.x = false;
    const wxn = bit(sctlr, 19);
    const privileged = q.el === 1 && !q.unprivileged;
    const chosen = privileged ? perms : user;
    if (wxn && chosen.w) chosen.x = false;
    if (privileged && q.pan && user.r && !fetch) chosen.r = chosen.w = false;
    if (!allowed(chosen, q)) throw new Failed("permission", leaf.level, 1, false, 0n);
    return {
      ok: true,
      pa: leaf.output,
      ipa: leaf.output,
      attributes,
      size: leaf.size,
      global: !bit(d, 11),
      contiguous: bit(d, 52),
      s1Device: device,
    };
  }

  #regimeEl2(q: Query): Success {
    const reg = (name: string) => this.machine.register(name);
    const tcr = reg("TCR_EL2");
    const sctlr = reg("SCTLR_EL2");
    const fetch = q.access === "fetch";
    const tbi = bit(tcr, 20) && !(fetch && this.machine.features.tbid && bit(tcr, 29));
    const top = tbi ? 55 : 63;
    if (!bit(sctlr, 0)) return this.#flat(q, top, sctlr, false);
    const leaf = this.#s1Walk({
      q,
      top,
      upper: false,
      txsz: Number(bits(tcr, 5, 0)),
      granule: granuleBits(bits(tcr, 15, 14), false),
      disabled: false,
      hpd: this.machine.features.hpds && bit(tcr, 24),
      ps: bits(tcr, 18, 16),
      base: reg("TTBR0_EL2"),
      bigEndian: bit(sctlr, 25),
      nested: false,
    });
    const d = leaf.descriptor;
    const attributes = s1Attributes(reg("MAIR_EL2"), bits(d, 4, 2), bits(d, 9, 8));
    const device = attributes.type === "Device";
    if (q.unaligned && !fetch && device) throw new Failed("alignment", 0, 1, false, 0n);
    const w = !(bit(d, 7) || bit(leaf.apTable, 1));
    const x = !(bit(d, 54) || leaf.xnTable) && !(w && bit(sctlr, 19));
    if (!allowed({ r: true, w, x }, q)) throw new Failed("permission", leaf.level, 1, false, 0n);
    const { output, size } = leaf;
    return { ok: true, pa: output, ipa: output, attributes, size, global: true, contiguous: bit(d, 52), s1Device: device };
  }

  #flat(q: Query, top: number, sctlr: bigint, dc: boolean): Success {
    const address = bits(q.va, top, 0);
    if (address >> BigInt(this.machine.features.paBits) !== 0n) throw new Failed("address-size", 0, 1, false, 0n);
    const attributes = flatAttributes(q.access === "fetch", bit(sctlr, 12), dc);
    const device = attributes.type === "Device";
    if (q.unaligned && q.access !== "fetch" && device) throw new Failed("alignment", 0, 1, false, 0n);
    return { ok: true, pa: address, ipa: address, attributes, size: 64, global: true, contiguous: false, s1Device: device };
  }

  #s1Walk(p: {
    q: Query;
    top: number;
    upper: boolean;
    txsz: number;
    granule: number;
    disabled: boolean;
    hpd: boolean;
    ps: bigint;
    base: bigint;
    bigEndian: boolean;
    nested: boolean;
  }): Leaf {
    const fail = (kind: Fault["kind"], level: number) => new Failed(kind, level, 1, false, 0n);
    if (p.txsz < 16 || p.txsz > 39) throw fail("translation", 0); // Choice: fault, not a clamp.
    const iaSize = 64 - p.txsz;
    const above = bits(p.q.va, p.top, iaSize);
    const wanted = p.upper ? (1n << BigInt(p.top - iaSize + 1)) - 1n : 0n;
    if (above !== wanted || p.disabled) throw fail("translation", 0);
    const outputSize = Math.min(outputSizes[Number(p.ps)], this.machine.features.paBits);
    const stride = p.granule - 3;
    const startLevel = 3 - Math.floor((iaSize - 1 - p.granule) / stride);
    return this.#levels(p.q.va, {
      fail,
      granule: p.granule,
      iaSize,
      startLevel,
      outputSize,
      base: p.base,
      bigEndian: p.bigEndian,
      hpd: p.hpd,
      fetch: (ipa) => p.nested ? this.#tableThroughS2(ipa) : ipa,
    });
  }

  /** The loop that both stages share in the manual's older pseudocode, AArch64.TranslationTableWalk. */
  #levels(input: bigint, p: {
    fail: (kind: Fault["kind"], level: number) => Failed;
    granule: number;
    iaSize: number;
    startLevel: number;
    outputSize: number;
    base: bigint;
    bigEndian: boolean;
    hpd: boolean;
    fetch: (address: bigint) => bigint;
  }): Leaf {
    const { granule, outputSize, fail } = p;
    const stride = granule - 3;
    const outOfRange = (address: bigint) => outputSize < 48 && bits(address, 47, outputSize) !== 0n;
    if (outOfRange(p.base)) throw fail("address-size", 0);
    let apTable = 0n, xnTable = false, pxnTable = false;
    let level = p.startLevel;
    let selectTop = p.iaSize - 1;
    let low = 3 + p.iaSize - ((3 - level) * stride + granule);
    let base = bits(p.base, 47, low) << BigInt(low);
    for (;;) {
      const selectBottom = (3 - level) * stride + granule;
      const address = p.fetch(base | (bits(input, selectTop, selectBottom) << 3n));
      const raw = this.machine.read64(address);
      if (raw === undefined) throw fail("external", level);
      const d = p.bigEndian ? byteReverse(raw) : raw;
      const type = bits(d, 1, 0);
      if (!bit(d, 0) || (type === 1n && level === 3)) throw fail("translation", level);
      if (type === 1n || level === 3) {
        if (level < (granule === 12 ? 1 : 2)) throw fail("translation", level);
        if (outOfRange(d)) throw fail("address-size", level);
        if (!bit(d, 10)) throw fail("access-flag", level);
        const output = (bits(d, 47, selectBottom) << BigInt(selectBottom)) | bits(input, selectBottom - 1, 0);
        return { descriptor: d, level, size: selectBottom, output, apTable, xnTable, pxnTable };
      }
      if (outOfRange(d)) throw fail("address-size", level);
      if (!p.hpd) {
        apTable |= bits(d, 62, 61);
        xnTable ||= bit(d, 60);
        pxnTable ||= bit(d, 59);
      }
      low = granule;
      base = bits(d, 47, low) << BigInt(low);
      level++;
      selectTop = selectBottom - 1;
    }
  }

  #s2Walk(ipa: bigint, s1ptw: boolean): Leaf {
    const vtcr = this.machine.register("VTCR_EL2");
    const { paBits } = this.machine.features;
    const fail = (kind: Fault["kind"], level: number) => new Failed(kind, level, 2, s1ptw, ipa);
    const granule = granuleBits(bits(vtcr, 15, 14), false);
    const iaSize = 64 - Number(bits(vtcr, 5, 0));
    const sl0 = Number(bits(vtcr, 7, 6));
    // Pseudocode AArch64.S2InvalidSL.
    if (sl0 === 3) throw fail("translation", 0);
    if (sl0 === 2 && paBits < (granule === 14 ? 42 : 44)) throw fail("translation", 0);
    // Choice: T0SZ out of range faults.
    if (iaSize > Math.min(48, paBits) || iaSize < 25) throw fail("translation", 0);
    const startLevel = granule === 12 ? 2 - sl0 : 3 - sl0;
    // Pseudocode AArch64.S2InconsistentSL.
    const stride = granule - 3;
    const minimum = (3 - startLevel) * stride + granule + 1;
    if (iaSize < minimum || iaSize > minimum + (stride - 1) + 4) throw fail("translation", 0);
    if (ipa >> BigInt(iaSize) !== 0n) throw fail("translation", 0);
    return this.#levels(ipa, {
      fail,
      granule,
      iaSize,
      startLevel,
      outputSize: Math.min(outputSizes[Number(bits(vtcr, 18, 16))], paBits),
      base: this.machine.register("VTTBR_EL2"),
      bigEndian: bit(this.machine.register("SCTLR_EL2"), 25),
      hpd: true,
      fetch: (pa) => pa,
    });
  }

  #tableThroughS2(ipa: bigint): bigint {
    const hcr = this.machine.register("HCR_EL2");
    const leaf = this.#s2Walk(ipa, true);
    if (!bit(leaf.descriptor, 6)) throw new Failed("permission", leaf.level, 2, true, ipa);
    if (bit(hcr, 2) && s2RawIsDevice(bits(leaf.descriptor, 5, 2), bit(hcr, 46))) throw new Failed("permission", leaf.level, 2, true, ipa);
    return leaf.output;
  }

  #second(q: Query, first: Success): Success {
    const hcr = this.machine.register("HCR_EL2");
    const leaf = this.#s2Walk(first.ipa, false);
    const d = leaf.descriptor;
    const fetch = q.access === "fetch";
    const memAttr = bits(d, 5, 2);
    if (q.unaligned && !fetch && s2RawIsDevice(memAttr, bit(hcr, 46))) throw new Failed("alignment", 0, 2, false, first.ipa);
    const xn = this.machine.features.xnx ? bits(d, 54, 53) : bits(d, 54, 54) << 1n;
    const never = [false, q.el === 1, true, q.el === 0][Number(xn)];
    if (!allowed({ r: bit(d, 6), w: bit(d, 7), x: !never }, q)) throw new Failed("permission", leaf.level, 2, false, first.ipa);
    const sh = bits(d, 9, 8);
    const attributes = bit(hcr, 46)
      ? s2ForcedAttributes(first.attributes, memAttr, sh)
      : combineS1S2(first.attributes, s2Attributes(memAttr, sh, bit(hcr, fetch ? 33 : 32)));
    return { ...first, pa: leaf.output, attributes, size: Math.min(first.size, leaf.size) };
  }
}

function allowed(rights: { r: boolean; w: boolean; x: boolean }, q: Query): boolean {
  switch (q.access) {
    case "fetch":
      return rights.x;
    case "write":
      return rights.w;
    case "update":
      return rights.r && rights.w;
    case "maintain":
      return q.el !== 0 || rights.r;
    case "read":
      return rights.r;
  }
}
