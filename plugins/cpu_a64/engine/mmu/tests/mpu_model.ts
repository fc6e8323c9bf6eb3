/**
 * A slow reference for protected memory: one byte at a time, every region asked in turn, no code shared with the engine.
 * Written from the rules of Arm DDI 0600; tables at EL1 are those that the test builds: 39 bits, 4 KiB, TTBR0_EL1 alone.
 */
import { type Attributes, combineS1S2, flatAttributes, fromMair } from "./model_attributes.ts";

/** A region as its fields. */
export interface ModelRegion {
  enabled: boolean;
  base: bigint;
  /** The last byte. */
  last: bigint;
  ap: number;
  xn: number;
  sh: number;
  attribute: number;
}

/** SCTLR_ELx of one level. */
export interface ModelControl {
  m: boolean;
  br: boolean;
  wxn: boolean;
  i: boolean;
  mair: bigint;
}

export interface ModelState {
  /** VTCR_EL2.MSA, HCR_EL2.VM and PTW. */
  msa: boolean;
  vm: boolean;
  ptw: boolean;
  el1: ModelControl;
  el2: ModelControl;
  regions1: ModelRegion[];
  regions2: ModelRegion[];
  ttbr: bigint;
  /** A table entry; `undefined`: no RAM. */
  read64(pa: bigint): bigint | undefined;
}

export interface ModelQuery {
  va: bigint;
  el: 0 | 1 | 2;
  access: "read" | "write" | "fetch";
  unprivileged: boolean;
  pan: boolean;
  unaligned: boolean;
}

export type ModelAnswer =
  | { ok: true; pa: bigint; ipa: bigint; attributes: Attributes }
  | { ok: false; status: number; stage: 1 | 2; s1ptw: boolean; ipa: bigint };

const TRANSLATION = 4, ACCESS_FLAG = 8, PERMISSION = 12, EXTERNAL = 0x14, ALIGNMENT = 0x21;

class Refused extends Error {
  constructor(readonly status: number, readonly stage: 1 | 2, readonly s1ptw = false, readonly ipa = 0n) {
    super();
  }
}

/** What a stage found: where, and who may do what. */
interface Found {
  address: bigint;
  attributes: Attributes;
  privileged: string;
  user: string;
  level: number;
  /** Nothing protects it: PAN has nothing to go by. */
  isFlat?: boolean;
}

/** The answer for one byte. */
export function modelTranslate(state: ModelState, q: ModelQuery): ModelAnswer {
  try {
    const first = q.el === 2 ? own(state.el2, state.regions2, q) : state.msa ? tables(state, q) : own(state.el1, state.regions1, q);
    if (q.unaligned && q.access !== "fetch" && first.attributes.type === "Device") throw new Refused(ALIGNMENT, 1);
    const isUser = q.el === 0 || q.unprivileged;
    let may = isUser ? first.user : first.privileged;
    if (!isUser && q.el === 1 && q.pan && !first.isFlat && first.user.includes("r")) may = may.replace(/[rw]/g, "");
    if (!may.includes(q.access[0])) throw new Refused(PERMISSION + first.level, 1);
    if (q.el === 2 || !state.vm) return { ok: true, pa: first.address, ipa: first.address, attributes: first.attributes };
    const second = filter(state, first.address, false);
    if (q.unaligned && q.access !== "fetch" && second.attributes.type === "Device") throw new Refused(ALIGNMENT, 2, false, first.address);
    if (!(q.el === 0 ? second.user : second.privileged).includes(q.access[0])) throw new Refused(PERMISSION, 2, false, first.address);
    return { ok: true, pa: first.address, ipa: first.address, attributes: combineS1S2(first.attributes, second.attributes) };
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    const { status, stage, s1ptw, ipa } = refused;
    return { ok: false, status, stage, s1ptw, ipa };
  }
}

function matching(regions: ModelRegion[], address: bigint): ModelRegion[] {
  return regions.filter(({ enabled, base, last }) => enabled && base <= address && address <= last);
}

function flat(control: ModelControl, q: ModelQuery): Found {
  return {
    address: q.va,
    attributes: flatAttributes(q.access === "fetch", control.i, false),
    privileged: "rwf",
    user: "rwf",
    level: 0,
    isFlat: true,
  };
}

/** An MPU of the regime's own. */
function own(control: ModelControl, regions: ModelRegion[], q: ModelQuery): Found {
  if (!control.m) return flat(control, q);
  const hits = matching(regions, q.va);
  const isUser = q.el === 0 || q.unprivileged;
  if (hits.length === 0 && control.br && !isUser) return { ...flat(control, q), user: "" };
  if (hits.length !== 1) throw new Refused(TRANSLATION, 1);
  const [{ ap, xn, sh, attribute }] = hits;
  const data = ["rw", "rw", "r", "r"][ap];
  const fetch = (xn & 2) === 0 && !(control.wxn && data === "rw") ? "f" : "";
  return {
    address: q.va,
    attributes: fromMair(control.mair >> BigInt(8 * attribute) & 0xffn, BigInt(sh)),
    privileged: data + fetch,
    user: ap === 1 || ap === 3 ? data + fetch : "",
    level: 0,
  };
}

/** The EL2 MPU between EL1&0 and memory. */
function filter(state: ModelState, address: bigint, isWalk: boolean): Found {
  const hits = matching(state.regions2, address);
  if (hits.length !== 1) throw new Refused(TRANSLATION, 2, isWalk, address);
  const [{ ap, xn, sh, attribute }] = hits;
  const data = ["", "rw", "", "r"][ap];
  const fetch = (levels: number[]) => data !== "" && levels.includes(xn) ? "f" : "";
  return {
    address,
    attributes: fromMair(state.el2.mair >> BigInt(8 * attribute) & 0xffn, BigInt(sh)),
    privileged: data + fetch([0, 3]),
    user: data + fetch([0, 1]),
    level: 0,
  };
}

function tables(state: ModelState, q: ModelQuery): Found {
  const { el1 } = state;
  if (!el1.m) return flat(el1, q);
  if (q.va >> 39n !== 0n) throw new Refused(TRANSLATION, 1);
  let table = state.ttbr;
  for (let level = 1; level <= 3; level++) {
    const shift = BigInt(39 - 9 * level);
    const at = table + (q.va >> shift & 511n) * 8n;
    if (state.vm) {
      const { privileged, attributes } = filter(state, at, true);
      if (!privileged.includes("r") || (state.ptw && attributes.type === "Device")) throw new Refused(PERMISSION, 2, true, at);
    }
    const entry = state.read64(at);
    if (entry === undefined) throw new Refused(EXTERNAL + level, 1);
    if ((entry & 1n) === 0n || (level === 3 && (entry & 2n) === 0n)) throw new Refused(TRANSLATION + level, 1);
    if (level < 3 && (entry & 2n) !== 0n) {
      table = entry & 0xffff_ffff_f000n;
      continue;
    }
    if ((entry & 0x400n) === 0n) throw new Refused(ACCESS_FLAG + level, 1);
    const within = (1n << shift) - 1n;
    const readOnly = (entry & 0x80n) !== 0n, isUsers = (entry & 0x40n) !== 0n;
    const privileged = readOnly ? "r" : "rw", user = isUsers ? privileged : "";
    const writable = (may: string) => may.includes("w");
    const pxn = (entry >> 53n & 1n) !== 0n || writable(user) || (el1.wxn && writable(privileged));
    const uxn = (entry >> 54n & 1n) !== 0n || (el1.wxn && writable(user));
    return {
      address: entry & 0xffff_ffff_f000n & ~within | q.va & within,
      attributes: fromMair(el1.mair >> 8n * (entry >> 2n & 7n) & 0xffn, entry >> 8n & 3n),
      privileged: privileged + (pxn ? "" : "f"),
      user: user + (uxn ? "" : "f"),
      level,
    };
  }
  throw new Error("a leaf at level 3 is the last");
}
