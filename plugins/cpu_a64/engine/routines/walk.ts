/**
 * The plain case of a walk as WebAssembly: both stages of EL1&0 with 4 KiB granules. It never faults: what isn't plain, or isn't allowed, is
 * TypeScript's (`mmu/`), which decides anew. Arm ARM DDI 0487, pseudocode "AArch64.S1Walk", "AArch64.S2Walk" and
 * "AArch64.FullTranslate".
 */
import type { RamBank } from "../../../../core/mod.ts";
import {
  call,
  type Callable,
  f64,
  type FunctionBuilder,
  type I32,
  i32,
  type I64,
  i64,
  type Local,
  type ModuleBuilder,
  select,
} from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import { registerOffset } from "../../sysregs/mod.ts";
import {
  PLAIN_LOWER,
  PLAIN_OUTPUT,
  PLAIN_OUTPUT2,
  PLAIN_STAGE2,
  PLAIN_TCR,
  PLAIN_UPPER,
  PLAIN_VTCR,
  RANGE_BASE,
  RANGE_COUNTS,
  RANGE_INDEX,
  RANGE_SHIFT,
  RANGE_SIZE,
} from "../mmu/plain.ts";
import { ACCESS_FLAG, PERMISSION, TRANSLATION } from "../mmu/faults.ts";
import { RIGHT_EXECUTE } from "../mmu/mod.ts";
import * as s from "../mmu/stage2_cache.ts";
import {
  WALK_CLOSED,
  WALK_FAULT,
  WALK_GLOBAL,
  WALK_HOST,
  WALK_LAZY,
  WALK_PLAIN,
  WALK_SIZE_SHIFT,
  WALK_STAGE2,
  WALK_UNUSUAL,
} from "../walk_area.ts";
import { BlockCode } from "./exceptions.ts";

const SCTLR_EL1 = registerOffset("SCTLR_EL1"), SCTLR_EL2 = registerOffset("SCTLR_EL2"), HCR_EL2 = registerOffset("HCR_EL2");
const TCR_EL1 = registerOffset("TCR_EL1"), MAIR_EL1 = registerOffset("MAIR_EL1"), VTCR_EL2 = registerOffset("VTCR_EL2");
const TTBR0_EL1 = registerOffset("TTBR0_EL1"), TTBR1_EL1 = registerOffset("TTBR1_EL1"), VTTBR_EL2 = registerOffset("VTTBR_EL2");

/** SCTLR_ELx.M, A, WXN, EE. */
const M = 1 << 0, A = 1 << 1, WXN = 19, EE = 1 << 25;
/** HCR_EL2.VM, PTW, DC, TGE; FWB in the high word. */
const VM = 1 << 0, PTW = 1 << 2, DC = 1 << 12, TGE = 1 << 27, FWB = 1 << 14;
/** Of a descriptor: bits 47:0, and the fields of a leaf. */
const ADDRESS = 0xffff_ffff_ffffn, TABLE = 0xffff_ffff_f000n;
const ACCESS_FLAG_BIT = 1n << 10n, NOT_GLOBAL = 1n << 11n;
const S2AP_READ = 1 << 6;

/** Whose rights: EL1's, EL0's, EL1's with PAN. */
export const AS_EL1 = 0, AS_EL0 = 1, AS_EL1_PAN = 2;

/** Where things are. */
export interface WalkPlaces {
  /** The state block. */
  readonly base: number;
  /** The walk area. */
  readonly area: number;
  readonly banks: readonly RamBank[];
}

/** Functions of a module that walk. */
export interface Walk {
  /** () → 1 when this is the plain case, as far as the registers go, and nobody watches. */
  readonly ready: Callable;
  /** (VA, rights that are needed, whose) → rights, {@linkcode WALK_GLOBAL} and size, WALK_HOST being true then; 0: TypeScript must look. */
  readonly walk: Callable;
}

/** Adds them. */
export function addWalk(module: ModuleBuilder, places: WalkPlaces): Walk {
  const { base } = places;
  const host = module.function(["i64"], "i32", (f) => findRam(f, places.banks));
  const second = module.function(["i64"], "i32", (f) => new WalkCode(f, base, places.area).second(host));
  const ready = module.function([], "i32", (f) => new WalkCode(f, base, places.area).ready());
  const walk = module.function(["i64", "i32", "i32"], "i32", (f) => new WalkCode(f, base, places.area).walk(second));
  return { ready, walk };
}

/** (PA) → where that is in the shared memory; -1: it isn't RAM. */
function findRam(f: FunctionBuilder, banks: readonly RamBank[]): void {
  const [pa] = f.params as [Local<"i64">];
  for (const { base, size, hostOffset } of banks) {
    const within = f.let(i64.sub(pa.value, i64.const(BigInt(base))));
    f.if(i64.lt_u(within, i64.const(BigInt(size))), () => f.return(i32.add(i32.wrap(within), i32.const(hostOffset))));
  }
  f.return(i32.const(-1));
}

/** The bodies. */
class WalkCode extends BlockCode {
  constructor(f: FunctionBuilder, base: number, readonly area: number) {
    super(f, base);
  }

  /** A 32-bit field of the area. */
  #shared(offset: number): I32 {
    return i32.load(i32.const(0), this.area + offset);
  }

  #plain(offset: number): I64 {
    return i64.load(i32.const(0), this.area + WALK_PLAIN + offset);
  }

  ready(): void {
    const { f } = this;
    const unless = (condition: I32) => f.if(condition, () => f.return(i32.const(0)));
    const masked = (offset: number, mask: number) => i32.and(this.get(offset), i32.const(mask));
    unless(this.#shared(WALK_CLOSED));
    unless(i32.ge_u(this.get(at.EL), i32.const(2)));
    unless(i32.ne(masked(SCTLR_EL1, M | A | EE), i32.const(M)));
    unless(i32.ne(masked(HCR_EL2, VM | DC | TGE), i32.const(VM)));
    unless(masked(SCTLR_EL2, EE));
    unless(i64.ne(this.get64(TCR_EL1), this.#plain(PLAIN_TCR)));
    f.return(i32.eq(this.get(VTCR_EL2), i32.wrap(this.#plain(PLAIN_VTCR))));
  }

  /** Stage 2: (IPA) → slot with what is known of its page, -1 when TypeScript must look. */
  second(ram: Callable): void {
    const { f, area } = this;
    const cache = area + WALK_STAGE2;
    const [ipa] = f.params as [Local<"i64">];
    const no = () => f.return(i32.const(-1));
    const vttbr = f.let(this.get64(VTTBR_EL2));
    const page = f.let(i64.shr_u(ipa.value, i64.const(12n)));
    const vmid = i64.and(i64.shr_u(vttbr, i64.const(8n)), i64.const(0xff_00_0000_0000n));
    const key = f.let(i64.or(page, vmid));
    const low = f.let(i32.wrap(page));
    const slot = f.let(i32.and(i32.xor(low, i32.shr_u(low, i32.const(11))), i32.const(s.STAGE2_SLOTS - 1)));
    const keyAt = f.let(i32.shl(slot, i32.const(3)));
    f.if(i64.eq(i64.load(keyAt, cache + s.STAGE2_KEY), key), () => f.return(slot));
    const { size, shift, index, table } = this.#range(i32.const(0), PLAIN_STAGE2, vttbr);
    const bits = f.let(size);
    f.if(i32.or(this.#shared(WALK_LAZY), i64.eqz(bits)), () => this.#unusual(-1));
    f.if(i64.ne(i64.shr_u(ipa.value, bits), i64.const(0n)), no);
    f.if(this.#exceeds(vttbr, PLAIN_OUTPUT2), no);
    const host = f.local("i32"), entry = f.local("i64"), address = f.local("i64");
    this.#descend(ipa.value, shift, index, table, PLAIN_OUTPUT2, (entryAddress) => {
      f.set(address, entryAddress);
      f.set(host, call("i32", ram, address.value));
      f.if(i32.eq(host.value, i32.const(-1)), no);
      f.set(entry, i64.load(host.value));
      return entry;
    }, no);
    const within = f.let(i64.sub(i64.shl(i64.const(1n), shift.value), i64.const(1n)));
    const frame = f.let(i64.or(i64.and(entry.value, i64.xor(within, i64.const(-1n))), i64.and(ipa.value, within)));
    const pa = f.let(i64.and(frame, i64.const(TABLE)));
    f.set(host, call("i32", ram, pa));
    const isRam = i32.ne(host.value, i32.const(-1));
    const at4 = f.let(i32.shl(slot, i32.const(2)));
    f.store("i32", at4, i32.wrap(pa), cache + s.STAGE2_FRAME_LO);
    f.store("i32", at4, i32.wrap(i64.shr_u(pa, i64.const(32n))), cache + s.STAGE2_FRAME_HI);
    f.if(isRam, () => f.set(host, i32.shr_u(host.value, i32.const(12))));
    f.store("i32", at4, host.value, cache + s.STAGE2_HOST);
    f.store("i32", at4, i32.wrap(entry.value), cache + s.STAGE2_LEAF_LO);
    f.store("i32", at4, i32.wrap(i64.shr_u(entry.value, i64.const(32n))), cache + s.STAGE2_LEAF_HI);
    f.store("f64", keyAt, f64.convert_i64_u(address.value), cache + s.STAGE2_LEAF_ADDRESS);
    const leafBits = f.let(i32.wrap(shift.value));
    f.store("i32.8", slot, leafBits, cache + s.STAGE2_SIZE);
    f.store("i32.8", slot, i32.sub(i32.const(3), i32.div_u(i32.sub(leafBits, i32.const(12)), i32.const(9))), cache + s.STAGE2_LEVEL);
    f.store("i64", keyAt, key, cache + s.STAGE2_KEY);
    f.return(slot);
  }

  /** Answers so, and says that it is no plain case. */
  #unusual(answer: number): void {
    this.f.store("i32", i32.const(0), i32.const(1), this.area + WALK_UNUSUAL);
    this.f.return(i32.const(answer));
  }

  /** What a level begins with; `from`: offset that is added to the range's. */
  #range(from: I32, range: number, root: I64) {
    const { f } = this;
    const field = (offset: number) => i64.load(from, this.area + WALK_PLAIN + range + offset);
    const shift = f.local("i64"), index = f.local("i64"), table = f.local("i64");
    f.set(shift, field(RANGE_SHIFT));
    f.set(index, field(RANGE_INDEX));
    f.set(table, i64.and(root, field(RANGE_BASE)));
    return { size: field(RANGE_SIZE), counts: field(RANGE_COUNTS), shift, index, table };
  }

  /** Bits 47:n of a descriptor or base register aren't all zero. */
  #exceeds(value: I64, output: number): I32 {
    return i64.ne(i64.shr_u(i64.and(value, i64.const(ADDRESS)), this.#plain(output)), i64.const(0n));
  }

  /** From level to level, down to a leaf with its access flag set. `shift` is log2 of its size then. */
  #descend(
    address: I64,
    shift: Local<"i64">,
    index: Local<"i64">,
    table: Local<"i64">,
    output: number,
    load: (address: I64) => Local<"i64">,
    no: () => void,
    /** A fault of the present level. */
    fault: (status: number) => void = no,
    passed: (table: I64) => void = () => {},
  ): void {
    const { f } = this;
    f.loop((again) => {
      const entry = load(i64.or(table.value, i64.and(i64.shl(i64.shr_u(address, shift.value), i64.const(3n)), index.value)));
      const kind = f.let(i32.and(i32.wrap(entry.value), i32.const(3)));
      f.if(i32.eqz(i32.and(kind, i32.const(1))), () => fault(TRANSLATION));
      f.if(this.#exceeds(entry.value, output), no);
      const isLast = f.let(i64.eq(shift.value, i64.const(12n)));
      f.if(
        i32.eq(kind, i32.const(3)),
        () =>
          f.if(i32.eqz(isLast), () => {
            passed(entry.value);
            f.set(table, i64.and(entry.value, i64.const(TABLE)));
            f.set(shift, i64.sub(shift.value, i64.const(9n)));
            f.set(index, i64.const(0xff8n));
            f.br(again);
          }),
        // Blocks have 2 MiB or 1 GiB.
        () => f.if(i32.or(isLast, i64.gt_u(shift.value, i64.const(30n))), no),
      );
      f.if(i64.eqz(i64.and(entry.value, i64.const(ACCESS_FLAG_BIT))), () => fault(ACCESS_FLAG));
    });
  }

  walk(second: Callable): void {
    const { f, area } = this;
    const cache = area + WALK_STAGE2;
    const [va, needs, whose] = f.params as [Local<"i64">, Local<"i32">, Local<"i32">];
    const no = () => f.return(i32.const(0));
    const upper = f.let(i32.and(i32.wrap(i64.shr_u(va.value, i64.const(55n))), i32.const(1)));
    const half = f.let(i32.mul(upper, i32.const(PLAIN_UPPER - PLAIN_LOWER)));
    const root = f.let(i64.load(i32.mul(upper, i32.const(TTBR1_EL1 - TTBR0_EL1)), this.base + TTBR0_EL1));
    const { size, counts, shift, index, table } = this.#range(half, PLAIN_LOWER, root);
    const bits = f.let(size);
    f.if(i64.eqz(bits), () => this.#unusual(0));
    const flipped = i64.xor(va.value, i64.sub(i64.const(0n), i64.extend_u(upper)));
    f.if(i64.ne(i64.shr_u(i64.and(flipped, counts), bits), i64.const(0n)), no);
    f.if(this.#exceeds(root, PLAIN_OUTPUT), no);
    const slot4 = f.local("i32"), host = f.local("i32"), entry = f.local("i64"), hierarchy = f.local("i64");
    f.set(hierarchy, i64.const(0n));
    const find = (ipa: I64) => {
      f.set(slot4, call("i32", second, ipa));
      f.if(i32.lt_s(slot4.value, i32.const(0)), no);
      f.set(slot4, i32.shl(slot4.value, i32.const(2)));
      f.set(host, i32.load(slot4.value, cache + s.STAGE2_HOST));
      f.if(i32.eq(host.value, i32.const(-1)), no);
    };
    const address = f.local("i64");
    const fault = (status: number) => {
      const level = i32.sub(i32.const(status + 3), i32.div_u(i32.sub(i32.wrap(shift.value), i32.const(12)), i32.const(9)));
      f.store("i32", i32.const(0), level, area + WALK_FAULT);
      no();
    };
    this.#descend(
      va.value,
      shift,
      index,
      table,
      PLAIN_OUTPUT,
      (entryAddress) => {
        f.set(address, entryAddress);
        find(address.value);
        const leaf = f.let(i32.load(slot4.value, cache + s.STAGE2_LEAF_LO));
        f.if(i32.eqz(i32.and(leaf, i32.const(S2AP_READ))), no);
        f.if(i32.and(this.get(HCR_EL2), i32.const(PTW)), () => f.if(this.#isDevice(leaf), no));
        const within = i32.and(i32.wrap(address.value), i32.const(0xfff));
        f.set(entry, i64.load(i32.or(i32.shl(host.value, i32.const(12)), within)));
        return entry;
      },
      no,
      fault,
      (passed) => f.set(hierarchy, i64.or(hierarchy.value, passed)),
    );

    const isData = i32.ne(needs.value, i32.const(RIGHT_EXECUTE));
    f.if(isData, () => {
      const shiftBy = i64.shl(i64.and(entry.value, i64.const(0x1cn)), i64.const(1n));
      f.if(i64.eqz(i64.and(i64.shr_u(this.get64(MAIR_EL1), shiftBy), i64.const(0xf0n))), () => {
        // Stage 2 may make it Normal all the same.
        f.if(i32.and(this.get(HCR_EL2 + 4), i32.const(FWB)), () => this.#unusual(0));
        no();
      });
    });
    const rights = f.local("i32");
    f.set(rights, this.#rights(entry.value, hierarchy.value, whose.value));
    const lacks = () => i32.and(needs.value, i32.xor(rights.value, i32.const(-1)));
    f.if(lacks(), () => fault(PERMISSION));
    const within = f.let(i64.sub(i64.shl(i64.const(1n), shift.value), i64.const(1n)));
    const out = i64.or(i64.and(entry.value, i64.xor(within, i64.const(-1n))), i64.and(va.value, within));
    f.set(address, i64.and(out, i64.const(ADDRESS)));
    find(address.value);
    const leaf = f.let(i32.load(slot4.value, cache + s.STAGE2_LEAF_LO));
    const never = i32.and(i32.shr_u(i32.load(slot4.value, cache + s.STAGE2_LEAF_HI), i32.const(22)), i32.const(1));
    const allowed = i32.or(i32.and(i32.shr_u(leaf, i32.const(6)), i32.const(3)), i32.shl(i32.eqz(never), i32.const(2)));
    f.set(rights, i32.and(rights.value, allowed));
    f.if(lacks(), no);
    f.if(isData, () => f.if(this.#isDevice(leaf), no));
    const inFrame = i32.and(i32.wrap(address.value), i32.const(0xfff));
    f.store("i32", i32.const(0), i32.or(i32.shl(host.value, i32.const(12)), inFrame), area + WALK_HOST);
    const global = select(i64.eqz(i64.and(entry.value, i64.const(NOT_GLOBAL))), i32.const(WALK_GLOBAL), i32.const(0));
    f.return(i32.or(i32.or(rights.value, global), i32.shl(i32.wrap(shift.value), i32.const(WALK_SIZE_SHIFT))));
  }

  /** Stage 2 alone makes it Device: `stage2IsDevice`. */
  #isDevice(leaf: I32): I32 {
    const attributes = this.f.let(i32.and(i32.shr_u(leaf, i32.const(2)), i32.const(15)));
    const isForced = i32.and(this.get(HCR_EL2 + 4), i32.const(FWB));
    return select(isForced, i32.lt_u(i32.and(attributes, i32.const(7)), i32.const(5)), i32.lt_u(attributes, i32.const(4)));
  }

  /** `userRights` and `privilegedRights`, and which of them count. */
  #rights(leaf: I64, hierarchy: I64, whose: I32): I32 {
    const { f } = this;
    const high = (value: I64) => f.let(i32.wrap(i64.shr_u(value, i64.const(32n))));
    const lo = f.let(i32.wrap(leaf)), hi = high(leaf), above = high(hierarchy);
    const bit = (value: I32, n: number) => i32.and(i32.shr_u(value, i32.const(n)), i32.const(1));
    const wxn = f.let(bit(this.get(SCTLR_EL1), WXN));
    const write = f.let(i32.eqz(i32.or(bit(lo, 7), bit(above, 30))));
    const user = f.let(i32.and(bit(lo, 6), i32.eqz(bit(above, 29))));
    const rights = f.local("i32");
    const compose = (read: I32, canWrite: I32, never: I32) =>
      i32.or(i32.or(read, i32.shl(canWrite, i32.const(1))), i32.shl(i32.eqz(never), i32.const(2)));
    f.if(i32.eq(whose, i32.const(AS_EL0)), () => {
      const canWrite = f.let(i32.and(user, write));
      f.set(rights, compose(user, canWrite, i32.or(i32.or(bit(hi, 22), bit(above, 28)), i32.and(canWrite, wxn))));
    }, () => {
      const never = i32.or(i32.or(bit(hi, 21), bit(above, 27)), i32.and(write, i32.or(wxn, user)));
      f.set(rights, compose(i32.const(1), write, never));
      const isKept = i32.and(i32.eq(whose, i32.const(AS_EL1_PAN)), user);
      f.if(isKept, () => f.set(rights, i32.and(rights.value, i32.const(RIGHT_EXECUTE))));
    });
    return rights.value;
  }
}
