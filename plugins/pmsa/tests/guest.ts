/** A64 words for small MPU guests, from the encodings that Arm ARM DDI 0487 and DDI 0600 print. */

/** op0, op1, CRn, CRm, op2. */
const registers = {
  SCTLR_EL1: [3, 0, 1, 0, 0],
  MPUIR_EL1: [3, 0, 0, 0, 4],
  PRENR_EL1: [3, 0, 6, 1, 1],
  PRSELR_EL1: [3, 0, 6, 2, 1],
  PRBAR_EL1: [3, 0, 6, 8, 0],
  PRLAR_EL1: [3, 0, 6, 8, 1],
  VBAR_EL1: [3, 0, 12, 0, 0],
  MAIR_EL1: [3, 0, 10, 2, 0],
} as const;

/** Assembles instructions one after the other. */
export class Guest {
  readonly words: number[] = [];

  /** Where the next instruction will be, in bytes from the first. */
  get here(): number {
    return this.words.length * 4;
  }

  /** MOVZ and MOVK: 48 bits. */
  constant(rd: number, value: number): void {
    for (let n = 0; n < 3; n++) {
      const part = Math.floor(value / 2 ** (16 * n)) & 0xffff;
      this.words.push((n === 0 ? 0xd280_0000 : 0xf280_0000) + n * 0x20_0000 + (part << 5) + rd);
    }
  }

  msr(register: keyof typeof registers, rt: number): void {
    this.words.push(0xd500_0000 + system(register) + rt);
  }

  mrs(rt: number, register: keyof typeof registers): void {
    this.words.push(0xd520_0000 + system(register) + rt);
  }

  /** ADD Xd, Xn, #imm (0 to 4095, or a multiple of 4096). */
  add(rd: number, rn: number, imm: number): void {
    this.words.push(0x9100_0000 + (imm > 4095 ? 0x40_0000 + (imm / 4096 << 10) : imm << 10) + (rn << 5) + rd);
  }

  /** SUBS Xd, Xn, #imm. */
  subtract(rd: number, rn: number, imm: number): void {
    this.words.push(0xf100_0000 + (imm << 10) + (rn << 5) + rd);
  }

  /** EOR Xd, Xn, Xm; ORR Xd, Xn, Xm. */
  eor(rd: number, rn: number, rm: number): void {
    this.words.push(0xca00_0000 + rm * 0x1_0000 + (rn << 5) + rd);
  }

  orr(rd: number, rn: number, rm: number): void {
    this.words.push(0xaa00_0000 + rm * 0x1_0000 + (rn << 5) + rd);
  }

  load(rt: number, rn: number): void {
    this.words.push(0xf940_0000 + (rn << 5) + rt);
  }

  store(rt: number, rn: number): void {
    this.words.push(0xf900_0000 + (rn << 5) + rt);
  }

  /** B.NE to a place that {@linkcode here} gave. */
  branchIfNotEqual(target: number): void {
    this.words.push(0x5400_0001 + ((target - this.here) / 4 & 0x7ffff) * 32);
  }

  isb(): void {
    this.words.push(0xd503_3fdf);
  }

  /** HVC #0. */
  hvc(): void {
    this.words.push(0xd400_0002);
  }

  /** B to itself. */
  halt(): void {
    this.words.push(0x1400_0000);
  }

  nop(): void {
    this.words.push(0xd503_201f);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(new Uint32Array(this.words.map((word) => word >>> 0)).buffer);
  }
}

function system(register: keyof typeof registers): number {
  const [op0, op1, crn, crm, op2] = registers[register];
  return op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5;
}
