/** Memory attributes of the reference model, as records. Arm ARM DDI 0487, pseudocode "MemoryAttributes" and "S2CombineS1MemAttrs". */

export type Cacheability = "NC" | "WT" | "WB";

export interface Cache {
  attrs: Cacheability;
  /** Allocation: read is bit 1, write bit 0; 0 for NC. */
  hints: number;
  transient: boolean;
}

export interface Attributes {
  type: "Device" | "Normal";
  device?: "nGnRnE" | "nGnRE" | "nGRE" | "GRE";
  outer?: Cache;
  inner?: Cache;
  shareability: "non" | "inner" | "outer";
}

const devices = ["nGnRnE", "nGnRE", "nGRE", "GRE"] as const;

function device(index: bigint): Attributes {
  return { type: "Device", device: devices[Number(index)], shareability: "outer" };
}

function normal(outer: Cache, inner: Cache, shareability: Attributes["shareability"]): Attributes {
  const nonCacheable = outer.attrs === "NC" && inner.attrs === "NC";
  return { type: "Normal", outer, inner, shareability: nonCacheable ? "outer" : shareability };
}

function shareable(sh: bigint): Attributes["shareability"] {
  return (["non", "non", "outer", "inner"] as const)[Number(sh)]; // Choice: reserved 0b01 is non-shareable.
}

const NC: Cache = { attrs: "NC", hints: 0, transient: false };

/** A MAIR nibble of Normal memory. */
function longConvert(nibble: bigint): Cache {
  const rw = Number(nibble & 3n);
  switch (nibble >> 2n) {
    case 0n:
      return { attrs: "WT", hints: rw, transient: true };
    case 1n:
      return rw === 0 ? NC : { attrs: "WB", hints: rw, transient: true };
    case 2n:
      return { attrs: "WT", hints: rw, transient: false };
    default:
      return { attrs: "WB", hints: rw, transient: false };
  }
}

/** A byte of MAIR_ELx. */
export function fromMair(byte: bigint, sh: bigint): Attributes {
  if (byte >> 4n === 0n) return device((byte >> 2n) & 3n); // Choice: reserved low bits are dropped.
  if ((byte & 15n) === 0n) return normal(NC, NC, "outer"); // Choice: reserved values are Non-cacheable.
  return normal(longConvert(byte >> 4n), longConvert(byte & 15n), shareable(sh));
}

export function s1Attributes(mair: bigint, index: bigint, sh: bigint): Attributes {
  return fromMair((mair >> (8n * index)) & 0xffn, sh);
}

export function flatAttributes(fetch: boolean, cacheFetch: boolean, dc: boolean): Attributes {
  const writeBack: Cache = { attrs: "WB", hints: 3, transient: false };
  if (dc) return normal(writeBack, writeBack, "non");
  if (!fetch) return device(0n);
  const writeThrough: Cache = { attrs: "WT", hints: 2, transient: false };
  return cacheFetch ? normal(writeThrough, writeThrough, "outer") : normal(NC, NC, "outer");
}

function s2Cache(field: bigint): Cache {
  if (field === 2n) return { attrs: "WT", hints: 3, transient: false };
  return field === 3n ? { attrs: "WB", hints: 3, transient: false } : NC; // Choice: reserved 0 is Non-cacheable.
}

export function s2Attributes(memAttr: bigint, sh: bigint, cacheDisabled: boolean): Attributes {
  if (memAttr >> 2n === 0n) return device(memAttr & 3n);
  if (cacheDisabled) return normal(NC, NC, "outer");
  return normal(s2Cache(memAttr >> 2n), s2Cache(memAttr & 3n), shareable(sh));
}

export function s2RawIsDevice(memAttr: bigint, forced: boolean): boolean {
  if (!forced) return memAttr >> 2n === 0n;
  return ![5n, 6n, 7n].includes(memAttr & 7n);
}

function combineShareability(one: Attributes["shareability"], other: Attributes["shareability"]): Attributes["shareability"] {
  if (one === "outer" || other === "outer") return "outer";
  return one === "inner" || other === "inner" ? "inner" : "non";
}

function combineCache(s1: Cache, s2: Cache): Cache {
  if (s1.attrs === "NC" || s2.attrs === "NC") return NC;
  const attrs = s1.attrs === "WT" || s2.attrs === "WT" ? "WT" : "WB";
  return { attrs, hints: s1.hints, transient: s1.transient };
}

export function combineS1S2(s1: Attributes, s2: Attributes): Attributes {
  if (s1.type === "Device" && s2.type === "Device") {
    return device(BigInt(Math.min(devices.indexOf(s1.device!), devices.indexOf(s2.device!))));
  }
  if (s1.type === "Device") return s1;
  if (s2.type === "Device") return s2;
  const shareability = combineShareability(s1.shareability, s2.shareability);
  return normal(combineCache(s1.outer!, s2.outer!), combineCache(s1.inner!, s2.inner!), shareability);
}

/** HCR_EL2.FWB. */
export function s2ForcedAttributes(s1: Attributes, memAttr: bigint, sh: bigint): Attributes {
  const shareability = combineShareability(s1.shareability, shareable(sh));
  const finish = (a: Attributes): Attributes =>
    a.type === "Device" ? { ...a, shareability: "outer" } : normal(a.outer!, a.inner!, shareability);
  switch (memAttr & 7n) {
    case 7n:
      return finish(s1);
    case 6n: {
      const force = (c?: Cache): Cache =>
        c === undefined || c.attrs === "NC" ? { attrs: "WB", hints: 3, transient: false } : { ...c, attrs: "WB" };
      return finish({ ...s1, type: "Normal", outer: force(s1.outer), inner: force(s1.inner) });
    }
    case 5n:
      return s1.type === "Device" ? s1 : normal(NC, NC, "outer");
    case 4n:
      return device(0n); // Choice: reserved.
    default:
      return device(memAttr & 3n);
  }
}
