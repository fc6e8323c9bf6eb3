/**
 * The oracle: executes cases in qemu-aarch64 (user mode), thousands in one
 * process. It plays a CPU whose optional features are just those that the
 * project's `max` model has.
 */
import { Registers } from "./case.ts";
import type { Case, Ending, Engine, Result, Written } from "./case.ts";
import { BRK, CODE_WORDS, WINDOW_SIZE } from "./layout.ts";
import { driverElf, INPUT, INPUT_LIMIT, KIND, KIND_SIZE, OUTPUT } from "./qemu_driver.ts";

/** Most cases in one process: input and output stay well below their limits. */
const BATCH = 8192;

const ENDINGS: Record<number, Ending> = { 4: "UNDEFINED", 5: "BRK", 7: "alignment", 11: "abort" };

/** SVC would reach the host's kernel; HLT #0xf000 is QEMU's semihosting. */
const FORBIDDEN = [[0xffe0_001f, 0xd400_0001], [0xffe0_0003, 0xd440_0000]] as const;

/** Runs cases under QEMU. Close it after use: it keeps the driver in a temporary file. */
export class QemuUser implements Engine {
  readonly name = "qemu-aarch64";
  readonly #driver: string;

  /** `cpu`: QEMU's name of the CPU to play, with its properties. */
  constructor(readonly command: string, readonly cpu: string = "neoverse-n1") {
    this.#driver = Deno.makeTempFileSync({ prefix: "oracle-", suffix: ".elf" });
    Deno.writeFileSync(this.#driver, driverElf(), { mode: 0o755 });
  }

  close(): void {
    Deno.removeSync(this.#driver);
  }

  /** Results in the order of the cases. Throws when a case can't be run safely, or when QEMU dies. */
  async run(cases: readonly Case[]): Promise<Result[]> {
    const results: Result[] = [];
    for (let at = 0; at < cases.length; at += BATCH) results.push(...await this.#runBatch(cases.slice(at, at + BATCH)));
    return results;
  }

  async #runBatch(cases: readonly Case[]): Promise<Result[]> {
    const child = new Deno.Command(this.command, {
      args: ["-cpu", this.cpu, this.#driver],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    const sent = writer.write(encodeCases(cases)).then(() => writer.close()).catch(() => {}); // a dead QEMU is reported below
    const { code, signal, stdout, stderr } = await child.output();
    await sent;
    if (code !== 0) {
      throw new Error(
        `${this.command} ended with ${signal ?? code}, cases "${cases[0].name}" and following\n${new TextDecoder().decode(stderr)}`,
      );
    }
    const results = decodeResults(stdout);
    if (results.length !== cases.length) throw new Error(`${this.command} ran ${results.length} of ${cases.length} cases`);
    return results;
  }
}

function encodeCases(cases: readonly Case[]): Uint8Array<ArrayBuffer> {
  let images = 0;
  cases.forEach((test, i) => images += Number(test.memory !== cases[i - 1]?.memory));
  const size = images * (KIND_SIZE + WINDOW_SIZE) + cases.length * (KIND_SIZE + INPUT.size) + KIND_SIZE;
  if (size > INPUT_LIMIT) throw new Error(`${images} memory images in one batch: let cases that follow each other share one`);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  let memory: Uint8Array | undefined;
  for (const test of cases) {
    if (test.memory !== memory) {
      memory = test.memory;
      view.setUint32(at, KIND.memory, true);
      bytes.set(memory, at + KIND_SIZE);
      at += KIND_SIZE + WINDOW_SIZE;
    }
    view.setUint32(at, KIND.test, true);
    at += KIND_SIZE;
    bytes.set(test.registers.bytes, at);
    for (let i = 0; i <= CODE_WORDS; i++) {
      const word = test.code[i] ?? BRK;
      if (FORBIDDEN.some(([mask, value]) => ((word & mask) >>> 0) === value)) {
        throw new Error(`${test.name}: ${word.toString(16)} would leave QEMU`);
      }
      view.setUint32(at + INPUT.code + i * 4, word, true);
    }
    at += INPUT.size;
  }
  return bytes;
}

function decodeResults(bytes: Uint8Array): Result[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const results: Result[] = [];
  for (let at = 0; at < bytes.length;) {
    const registers = new Registers();
    registers.bytes.set(bytes.subarray(at + OUTPUT.x, at + OUTPUT.sp + 8), 0);
    registers.bytes.set(bytes.subarray(at + OUTPUT.v, at + OUTPUT.size), INPUT.v);
    registers.nzcv = view.getUint32(at + OUTPUT.pstate, true) >>> 28;
    registers.fpcr = view.getUint32(at + OUTPUT.fpcr, true);
    registers.fpsr = view.getUint32(at + OUTPUT.fpsr, true);
    const count = view.getUint32(at + OUTPUT.count, true);
    const ending = ENDINGS[view.getUint32(at + OUTPUT.signal, true)] ?? "other";
    const pc = view.getBigUint64(at + OUTPUT.pc, true);
    at += OUTPUT.size;
    const written: Written[] = [];
    for (let i = 0; i < count; i++, at += 16) {
      written.push({ offset: view.getUint32(at, true), value: view.getBigUint64(at + 8, true) });
    }
    results.push({ ending, pc, registers, written });
  }
  return results;
}
