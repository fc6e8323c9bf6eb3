/** A test case, its result, and what differs between two results. */
import { CODE_WORDS, WINDOW_SIZE } from "./layout.ts";

/** Registers as bytes: fast to copy, and to compare. */
const LAYOUT = { X: 0, SP: 0xf8, NZCV: 0x100, FPCR: 0x108, FPSR: 0x110, V: 0x120, SIZE: 0x320 } as const;

/** FPSR's QC and the cumulative exception bits IDC, IXC, UFC, OFC, DZC, IOC. */
const FPSR_BITS = 0x0800_009f;

/** General, SIMD&FP and status registers. Numbers that don't need 64 bits are numbers. */
export class Registers {
  static readonly size: number = LAYOUT.SIZE;
  readonly view: DataView;

  /** Over `bytes`, or over zeros. */
  constructor(readonly bytes: Uint8Array = new Uint8Array(LAYOUT.SIZE)) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, LAYOUT.SIZE);
  }

  /** X0 to X30; 31 is SP. */
  x(n: number): bigint {
    return this.view.getBigUint64(n * 8, true);
  }
  setX(n: number, value: bigint): void {
    this.view.setBigUint64(n * 8, value, true);
  }
  get sp(): bigint {
    return this.x(31);
  }
  set sp(value: bigint) {
    this.setX(31, value);
  }
  /** V0 to V31, 128 bits. */
  v(n: number): bigint {
    const at = LAYOUT.V + n * 16;
    return this.view.getBigUint64(at + 8, true) << 64n | this.view.getBigUint64(at, true);
  }
  setV(n: number, value: bigint): void {
    const at = LAYOUT.V + n * 16;
    this.view.setBigUint64(at, value & 0xffff_ffff_ffff_ffffn, true);
    this.view.setBigUint64(at + 8, value >> 64n, true);
  }
  /** The 16 bytes of a V register, to be filled lane by lane. */
  vector(n: number): DataView {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + LAYOUT.V + n * 16, 16);
  }
  /** PSTATE.NZCV, N in bit 3. */
  get nzcv(): number {
    return this.view.getUint32(LAYOUT.NZCV, true) >>> 28;
  }
  set nzcv(value: number) {
    this.view.setUint32(LAYOUT.NZCV, value << 28, true);
  }
  get fpcr(): number {
    return this.view.getUint32(LAYOUT.FPCR, true);
  }
  set fpcr(value: number) {
    this.view.setUint32(LAYOUT.FPCR, value, true);
  }
  get fpsr(): number {
    return this.view.getUint32(LAYOUT.FPSR, true) & FPSR_BITS;
  }
  set fpsr(value: number) {
    this.view.setUint32(LAYOUT.FPSR, value & FPSR_BITS, true);
  }
}

/** What to execute, and from which state. */
export interface Case {
  /** Tested words, at most {@linkcode CODE_WORDS}; BRK follows them. */
  readonly code: readonly number[];
  readonly registers: Registers;
  /** Content of the data window. Cases that follow each other should share one array: it is sent once. */
  readonly memory: Uint8Array;
  /** Where the case comes from, for reports. */
  readonly name: string;
}

/** How a case ended. BRK is the normal end. */
export type Ending = "BRK" | "UNDEFINED" | "abort" | "alignment" | "other";

/** State at the end of a case. */
export interface Result {
  readonly ending: Ending;
  readonly pc: bigint;
  readonly registers: Registers;
  /** 8-byte words of the data window that changed, in order of offset. */
  readonly written: readonly Written[];
  /** What went wrong, when it ended in no way that a CPU has. */
  readonly error?: string;
}

/** 8 bytes of the data window after a case. */
export interface Written {
  /** Bytes from the start of the window. */
  readonly offset: number;
  readonly value: bigint;
}

/** Something that executes cases. */
export interface Engine {
  readonly name: string;
  run(cases: readonly Case[]): Promise<Result[]> | Result[];
}

/** A case with zeroed registers and memory where `init` names nothing else. */
export function makeCase(name: string, code: readonly number[], init: CaseInit = {}): Case {
  if (code.length > CODE_WORDS) throw new Error(`${name}: more than ${CODE_WORDS} words`);
  const registers = new Registers();
  for (const [key, value] of Object.entries(init.x ?? {})) registers.setX(Number(key), BigInt.asUintN(64, value));
  for (const [key, value] of Object.entries(init.v ?? {})) registers.setV(Number(key), value);
  registers.sp = init.sp ?? 0n;
  registers.nzcv = init.nzcv ?? 0;
  registers.fpcr = init.fpcr ?? 0;
  registers.fpsr = init.fpsr ?? 0;
  return { name, code, registers, memory: init.memory ?? zeros };
}

const zeros = new Uint8Array(WINDOW_SIZE);

/** Starting state of {@linkcode makeCase}. */
export interface CaseInit {
  x?: Record<number, bigint>;
  v?: Record<number, bigint>;
  sp?: bigint;
  nzcv?: number;
  fpcr?: number;
  fpsr?: number;
  memory?: Uint8Array;
}
