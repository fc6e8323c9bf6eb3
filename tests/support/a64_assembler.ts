/**
 * The few A64 instructions that the oracle's driver program needs, encoded here
 * so that the tests need no assembler at run time. Every instruction keeps its
 * assembly text: one test assembles all of them and compares the words.
 */

/** One encoded instruction; `text` is GNU assembler syntax, with branch targets relative to `.`. */
export interface Line {
  readonly word: number;
  readonly text: string;
}

type Condition = "eq" | "ne" | "hs" | "lo";
const conditions: Record<Condition, number> = { eq: 0, ne: 1, hs: 2, lo: 3 };

/** Assembles a program of fixed-size instructions with forward and backward labels. */
export class Assembler {
  readonly #lines: ((pc: number) => Line)[] = [];
  readonly #labels = new Map<string, number>();

  /** `base`: address of the first instruction, for {@linkcode jump}. */
  constructor(readonly base: number) {}

  /** Names the address of the next instruction. */
  label(name: string): void {
    if (this.#labels.has(name)) throw new Error(`label ${name} is defined twice`);
    this.#labels.set(name, this.#lines.length * 4);
  }

  /** Address of a label. Throws when it is missing. */
  address(name: string): number {
    const offset = this.#labels.get(name);
    if (offset === undefined) throw new Error(`no label ${name}`);
    return this.base + offset;
  }

  /** All instructions with labels resolved. */
  lines(): Line[] {
    return this.#lines.map((line, index) => line(this.base + index * 4));
  }

  #add(word: number, text: string): void {
    this.#lines.push(() => ({ word: word >>> 0, text }));
  }

  #branch(target: string | number, encode: (distance: number) => Line): void {
    this.#lines.push((pc) => encode((typeof target === "number" ? target : this.address(target)) - pc));
  }

  /** MOVZ and MOVK: a constant of up to 48 bits. */
  constant(rd: number, value: number): void {
    const part = (n: number) => Math.floor(value / 2 ** (16 * n)) & 0xffff;
    this.#add(0xd2800000 | part(0) << 5 | rd, `movz x${rd}, #${part(0)}`);
    if (part(1)) this.#add(0xf2a00000 | part(1) << 5 | rd, `movk x${rd}, #${part(1)}, lsl #16`);
    if (part(2)) this.#add(0xf2c00000 | part(2) << 5 | rd, `movk x${rd}, #${part(2)}, lsl #32`);
  }

  addImmediate(rd: number, rn: number, imm: number): void {
    this.#add(0x91000000 | imm << 10 | rn << 5 | rd, `add x${rd}, x${rn}, #${imm}`);
  }

  add(rd: number, rn: number, rm: number): void {
    this.#add(0x8b000000 | rm << 16 | rn << 5 | rd, `add x${rd}, x${rn}, x${rm}`);
  }

  subtract(rd: number, rn: number, rm: number): void {
    this.#add(0xcb000000 | rm << 16 | rn << 5 | rd, `sub x${rd}, x${rn}, x${rm}`);
  }

  subtractsImmediate(rd: number, rn: number, imm: number): void {
    this.#add(0xf1000000 | imm << 10 | rn << 5 | rd, `subs x${rd}, x${rn}, #${imm}`);
  }

  compare(rn: number, rm: number): void {
    this.#add(0xeb00001f | rm << 16 | rn << 5, `cmp x${rn}, x${rm}`);
  }

  /** CCMP Xn, Xm, #0, eq: "equal" stays only when both comparisons are. */
  compareIfEqual(rn: number, rm: number): void {
    this.#add(0xfa400000 | rm << 16 | rn << 5, `ccmp x${rn}, x${rm}, #0, eq`);
  }

  moveToSp(rn: number): void {
    this.#add(0x9100001f | rn << 5, `mov sp, x${rn}`);
  }

  /** LDR or STR with an unsigned offset in bytes, 64 bits. */
  load(rt: number, rn: number, offset = 0): void {
    this.#add(0xf9400000 | (offset >> 3) << 10 | rn << 5 | rt, `ldr x${rt}, [x${rn}, #${offset}]`);
  }

  store(rt: number, rn: number, offset = 0): void {
    this.#add(0xf9000000 | (offset >> 3) << 10 | rn << 5 | rt, `str x${rt}, [x${rn}, #${offset}]`);
  }

  loadWord(rt: number, rn: number, offset = 0): void {
    this.#add(0xb9400000 | (offset >> 2) << 10 | rn << 5 | rt, `ldr w${rt}, [x${rn}, #${offset}]`);
  }

  storeWord(rt: number, rn: number, offset = 0): void {
    this.#add(0xb9000000 | (offset >> 2) << 10 | rn << 5 | rt, `str w${rt}, [x${rn}, #${offset}]`);
  }

  loadAndAdvance(rt: number, rn: number, step: number): void {
    this.#add(0xf8400400 | step << 12 | rn << 5 | rt, `ldr x${rt}, [x${rn}], #${step}`);
  }

  storeAndAdvance(rt: number, rn: number, step: number): void {
    this.#add(0xf8000400 | step << 12 | rn << 5 | rt, `str x${rt}, [x${rn}], #${step}`);
  }

  loadPair(rt: number, rt2: number, rn: number, offset: number): void {
    this.#add(0xa9400000 | (offset >> 3) << 15 | rt2 << 10 | rn << 5 | rt, `ldp x${rt}, x${rt2}, [x${rn}, #${offset}]`);
  }

  loadPairAndAdvance(rt: number, rt2: number, rn: number): void {
    this.#add(0xa8c10000 | rt2 << 10 | rn << 5 | rt, `ldp x${rt}, x${rt2}, [x${rn}], #16`);
  }

  storePairAndAdvance(rt: number, rt2: number, rn: number): void {
    this.#add(0xa8810000 | rt2 << 10 | rn << 5 | rt, `stp x${rt}, x${rt2}, [x${rn}], #16`);
  }

  /** LDP of two SIMD&FP registers, 128 bits each; the offset is in bytes. */
  loadVectorPair(rt: number, rt2: number, rn: number, offset: number): void {
    this.#add(0xad400000 | (offset >> 4) << 15 | rt2 << 10 | rn << 5 | rt, `ldp q${rt}, q${rt2}, [x${rn}, #${offset}]`);
  }

  jump(target: string | number): void {
    this.#branch(target, (d) => ({ word: (0x14000000 | (d >> 2) & 0x3ffffff) >>> 0, text: `b .+${d}` }));
  }

  jumpIf(condition: Condition, target: string): void {
    this.#branch(target, (d) => ({
      word: (0x54000000 | ((d >> 2) & 0x7ffff) << 5 | conditions[condition]) >>> 0,
      text: `b.${condition} .+${d}`,
    }));
  }

  jumpIfZero(rt: number, target: string): void {
    this.#branch(target, (d) => ({ word: (0xb4000000 | ((d >> 2) & 0x7ffff) << 5 | rt) >>> 0, text: `cbz x${rt}, .+${d}` }));
  }

  systemCall(): void {
    this.#add(0xd4000001, "svc #0");
  }

  /** MSR NZCV, FPCR or FPSR. */
  writeSystem(register: "nzcv" | "fpcr" | "fpsr", rt: number): void {
    const base = { nzcv: 0xd51b4200, fpcr: 0xd51b4400, fpsr: 0xd51b4420 }[register];
    this.#add(base | rt, `msr ${register}, x${rt}`);
  }

  clearExclusive(): void {
    this.#add(0xd5033f5f, "clrex");
  }

  /** Makes the 64 bytes at Xn, just written, visible to instruction fetch. */
  synchroniseCode(rn: number): void {
    this.#add(0xd50b7b20 | rn, `dc cvau, x${rn}`);
    this.#add(0xd5033b9f, "dsb ish");
    this.#add(0xd50b7520 | rn, `ic ivau, x${rn}`);
    this.#add(0xd5033b9f, "dsb ish");
    this.#add(0xd5033fdf, "isb");
  }
}
