/** Compares results and reports differences so that a reader can start debugging. */
import type { Case, Result } from "./case.ts";

/** What {@linkcode differences} leaves out of the comparison. */
export interface Ignore {
  /** FPSR bits. */
  readonly fpsr?: number;
  /** FPCR bits. */
  readonly fpcr?: number;
  /** V registers. */
  readonly vectors?: boolean;
  /** The data window. */
  readonly memory?: boolean;
}

const hex = (value: bigint | number, digits: number): string => "0x" + value.toString(16).padStart(digits, "0");

/** One line for every difference between two results; none when they agree. */
export function differences(expected: Result, got: Result, ignore: Ignore = {}): string[] {
  const lines: string[] = [];
  const note = (what: string, want: string, is: string) => {
    if (want !== is) lines.push(`${what.padEnd(8)} expected ${want}  got ${is}`);
  };
  if (same(expected, got, ignore)) return lines;
  for (const { error } of [expected, got]) if (error) lines.push(error);
  note("ending", expected.ending, got.ending);
  note("PC", hex(expected.pc, 16), hex(got.pc, 16));
  const [a, b] = [expected.registers, got.registers];
  for (let n = 0; n < 32; n++) note(n === 31 ? "SP" : `X${n}`, hex(a.x(n), 16), hex(b.x(n), 16));
  note("NZCV", a.nzcv.toString(2).padStart(4, "0"), b.nzcv.toString(2).padStart(4, "0"));
  const fpcrMask = ~(ignore.fpcr ?? 0);
  note("FPCR", hex(a.fpcr & fpcrMask, 8), hex(b.fpcr & fpcrMask, 8));
  const mask = ~(ignore.fpsr ?? 0);
  note("FPSR", fpsr(a.fpsr & mask), fpsr(b.fpsr & mask));
  for (let n = 0; n < 32 && !ignore.vectors; n++) note(`V${n}`, hex(a.v(n), 32), hex(b.v(n), 32));
  if (!ignore.memory) {
    const values = (result: Result) => new Map(result.written.map(({ offset, value }) => [offset, value]));
    const [before, after] = [values(expected), values(got)];
    for (const offset of [...new Set([...before.keys(), ...after.keys()])].sort((p, q) => p - q)) {
      const text = (value: bigint | undefined) => value === undefined ? "unchanged" : hex(value, 16);
      note(`+${hex(offset, 4)}`, text(before.get(offset)), text(after.get(offset)));
    }
  }
  return lines;
}

/** The common case, without building strings. */
function same(expected: Result, got: Result, ignore: Ignore): boolean {
  if (expected.ending !== got.ending || expected.pc !== got.pc || (!ignore.memory && expected.written.length !== got.written.length)) {
    return false;
  }
  const [a, b] = [expected.registers.view, got.registers.view];
  for (let at = 0; at < a.byteLength; at += 4) {
    if (a.getUint32(at, true) !== b.getUint32(at, true)) return false;
  }
  return ignore.memory ||
    expected.written.every(({ offset, value }, i) => offset === got.written[i].offset && value === got.written[i].value);
}

function fpsr(value: number): string {
  const names: [number, string][] = [[27, "QC"], [7, "IDC"], [4, "IXC"], [3, "UFC"], [2, "OFC"], [1, "DZC"], [0, "IOC"]];
  return names.filter(([bit]) => value >>> bit & 1).map(([, name]) => name).join("+") || "0";
}

/** The inputs of a case: of the registers those that its words may name. */
export function describeCase(test: Case): string[] {
  const { registers } = test;
  const named = new Set<number>();
  for (const word of test.code) for (const low of [0, 5, 10, 16]) named.add(word >>> low & 31);
  const numbers = [...named].sort((p, q) => p - q);
  return [
    `${test.name}: ${test.code.map((word) => hex(word, 8)).join(" ")}`,
    `NZCV=${registers.nzcv.toString(2).padStart(4, "0")} FPCR=${hex(registers.fpcr, 8)} FPSR=${fpsr(registers.fpsr)}`,
    numbers.map((n) => `${n === 31 ? "SP" : `X${n}`}=${hex(registers.x(n), 1)}`).join(" "),
    numbers.map((n) => `V${n}=${hex(registers.v(n), 32)}`).join(" "),
  ];
}
