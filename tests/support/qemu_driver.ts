/**
 * The program that runs inside qemu-aarch64: reads a file of cases, executes
 * each with all registers loaded, and writes the states they end in.
 *
 * Every case ends in a signal, at the latest by the BRK that follows the tested
 * words, so one path serves them all: the signal frame holds every register,
 * untouched. The handler records it, puts the data window back, and starts the
 * next case without returning from the signal.
 */
import { Assembler } from "./a64_assembler.ts";
import { writeElf } from "./elf.ts";
import { BRK, CODE, CODE_PAGE, CODE_WORDS, WINDOW, WINDOW_SIZE } from "./layout.ts";

/** Record kinds of the input; each record starts with its kind in 16 bytes. */
export const KIND = { end: 0, memory: 1, test: 2 } as const;
export const KIND_SIZE = 16;

/** A test record after its kind: registers as in `Registers`, then the words. Bytes. */
export const INPUT = { sp: 0xf8, nzcv: 0x100, fpcr: 0x108, fpsr: 0x110, v: 0x120, code: 0x320, size: 0x360 } as const;

/** An output record: what Linux puts in a signal frame, then `count` pairs of offset and 8 bytes written. Bytes. */
export const OUTPUT = {
  signal: 0,
  count: 8,
  x: 0x18,
  sp: 0x110,
  pc: 0x118,
  pstate: 0x120,
  fpsr: 0x128,
  fpcr: 0x12c,
  v: 0x130,
  size: 0x330,
} as const;

/** Most bytes of input and of output. */
export const INPUT_LIMIT = 0x0200_0000;
export const OUTPUT_LIMIT = 0x0400_0000;

// Where no interesting number points, but within reach of B from the tested code; the large ones far above 4 GiB: just above, random stores
// have met them, which QEMU carries out.
const TEXT = 0x0e35_0000;
const DATA = 0x0e36_0000;
const DATA_SIZE = 0x3_0000;
const PRISTINE = 0x0e39_0000;
const IN = 0x7_2a35_0000;
const OUT = 0x7_2e35_0000;

// In DATA: two variables, the arguments of the system calls, the stacks.
const NEXT_IN = 0, NEXT_OUT = 8, SIGACTION = 0x20, ALTERNATE_STACK = 0x40;
const STACK = DATA + 0x1_0000;
const HANDLER_STACK = DATA + 0x1_0000, HANDLER_STACK_SIZE = 0x2_0000;

const SYSCALL = { read: 63, write: 64, exitGroup: 94, sigaltstack: 132, sigaction: 134 };
const SIGNALS = [4, 5, 7, 8, 11]; // ILL, TRAP, BUS, FPE, SEGV
const SA_SIGINFO = 4, SA_ONSTACK = 0x0800_0000, SA_NODEFER = 0x4000_0000;

// Offsets in Linux's arm64 ucontext_t: fault_address, X0…X30, SP, PC, PSTATE follow each other;
// then, as the first record of __reserved, FPSIMD: head, FPSR and FPCR, V0…V31.
const UC_FAULT_ADDRESS = 0xb0, UC_GENERAL_SIZE = 0x118, UC_FPSR = 0x1d8, UC_FP_SIZE = 0x208;

/** The driver's instructions; `handler` is the address of its signal handler. */
export function driverProgram(): { asm: Assembler; handler: number } {
  const a = new Assembler(TEXT);
  start(a);
  nextRecord(a);
  finish(a);
  handler(a);
  return { asm: a, handler: a.address("handler") };
}

function start(a: Assembler): void {
  a.constant(0, DATA + ALTERNATE_STACK);
  a.constant(1, 0);
  a.constant(8, SYSCALL.sigaltstack);
  a.systemCall();
  for (const signal of SIGNALS) {
    a.constant(0, signal);
    a.constant(1, DATA + SIGACTION);
    a.constant(2, 0);
    a.constant(3, 8);
    a.constant(8, SYSCALL.sigaction);
    a.systemCall();
  }
  a.constant(19, IN);
  a.label("read");
  a.constant(0, 0);
  a.addImmediate(1, 19, 0);
  a.constant(2, 0x10_0000);
  a.constant(8, SYSCALL.read);
  a.systemCall();
  a.add(19, 19, 0);
  a.subtractsImmediate(0, 0, 0);
  a.jumpIf("ne", "read");
}

function nextRecord(a: Assembler): void {
  a.label("next");
  a.constant(0, DATA);
  a.load(30, 0, NEXT_IN);
  a.load(1, 30);
  a.addImmediate(30, 30, KIND_SIZE);
  a.jumpIfZero(1, "finish");
  a.subtractsImmediate(1, 1, KIND.memory);
  a.jumpIf("ne", "test");
  // A new image of the data window.
  a.constant(2, WINDOW);
  a.constant(3, PRISTINE);
  a.constant(4, WINDOW_SIZE / 16);
  a.label("image");
  a.loadPairAndAdvance(5, 6, 30);
  a.storePairAndAdvance(5, 6, 2);
  a.storePairAndAdvance(5, 6, 3);
  a.subtractsImmediate(4, 4, 1);
  a.jumpIf("ne", "image");
  a.store(30, 0, NEXT_IN);
  a.jump("next");

  a.label("test");
  a.addImmediate(1, 30, INPUT.size);
  a.store(1, 0, NEXT_IN);
  a.addImmediate(1, 30, INPUT.code);
  a.constant(2, CODE);
  for (let i = 0; i < (CODE_WORDS + 1) / 4; i++) {
    a.loadPairAndAdvance(3, 4, 1);
    a.storePairAndAdvance(3, 4, 2);
  }
  a.constant(2, CODE);
  a.synchroniseCode(2);
  for (let v = 0; v < 32; v += 2) a.loadVectorPair(v, v + 1, 30, INPUT.v + v * 16);
  a.load(1, 30, INPUT.fpcr);
  a.writeSystem("fpcr", 1);
  a.load(1, 30, INPUT.fpsr);
  a.writeSystem("fpsr", 1);
  a.load(1, 30, INPUT.nzcv);
  a.writeSystem("nzcv", 1);
  a.load(1, 30, INPUT.sp);
  a.moveToSp(1);
  a.clearExclusive();
  for (let x = 0; x < 30; x += 2) a.loadPair(x, x + 1, 30, x * 8);
  a.load(30, 30, 30 * 8);
  a.jump(CODE);
}

function handler(a: Assembler): void {
  a.label("handler"); // x0: signal, x1: siginfo_t, x2: ucontext_t
  a.constant(3, DATA);
  a.load(4, 3, NEXT_OUT);
  a.storeWord(0, 4, OUTPUT.signal);
  a.loadWord(5, 1, 8); // si_code
  a.storeWord(5, 4, OUTPUT.signal + 4);
  a.addImmediate(6, 4, OUTPUT.count + 8);
  for (const [offset, size] of [[UC_FAULT_ADDRESS, UC_GENERAL_SIZE], [UC_FPSR, UC_FP_SIZE]]) {
    a.addImmediate(5, 2, offset);
    a.constant(7, size / 8);
    a.label(`copy${offset}`);
    a.loadAndAdvance(8, 5, 8);
    a.storeAndAdvance(8, 6, 8);
    a.subtractsImmediate(7, 7, 1);
    a.jumpIf("ne", `copy${offset}`);
  }
  compareWindow(a);
  a.store(12, 4, OUTPUT.count);
  a.store(6, 3, NEXT_OUT);
  a.constant(0, STACK);
  a.moveToSp(0);
  a.jump("next");
}

/** Appends at x6 what changed in the window, restores it, and counts in x12. */
function compareWindow(a: Assembler): void {
  a.constant(5, WINDOW);
  a.constant(7, PRISTINE);
  a.constant(9, 0);
  a.constant(13, WINDOW_SIZE);
  a.constant(12, 0);
  a.label("compare");
  a.loadPairAndAdvance(10, 11, 5);
  a.loadPairAndAdvance(14, 15, 7);
  a.compare(10, 14);
  a.compareIfEqual(11, 15);
  a.jumpIf("eq", "unchanged");
  for (const [now, before, offset] of [[10, 14, 0], [11, 15, 8]]) {
    a.compare(now, before);
    a.jumpIf("eq", `same${offset}`);
    a.addImmediate(16, 9, offset);
    a.storePairAndAdvance(16, now, 6);
    a.addImmediate(12, 12, 1);
    a.constant(17, WINDOW + offset);
    a.add(17, 17, 9);
    a.store(before, 17);
    a.label(`same${offset}`);
  }
  a.label("unchanged");
  a.addImmediate(9, 9, 16);
  a.compare(9, 13);
  a.jumpIf("ne", "compare");
}

function finish(a: Assembler): void {
  a.label("finish");
  a.load(20, 0, NEXT_OUT);
  a.constant(19, OUT);
  a.label("write");
  a.constant(0, 1);
  a.addImmediate(1, 19, 0);
  a.subtract(2, 20, 19);
  a.jumpIfZero(2, "exit");
  a.constant(8, SYSCALL.write);
  a.systemCall();
  a.add(19, 19, 0);
  a.jump("write");
  a.label("exit");
  a.constant(0, 0);
  a.constant(8, SYSCALL.exitGroup);
  a.systemCall();
}

/** The driver as an executable file. */
export function driverElf(): Uint8Array {
  const { asm, handler } = driverProgram();
  const text = Uint32Array.from(asm.lines(), ({ word }) => word);
  const data = new DataView(new ArrayBuffer(0x80));
  const put = (offset: number, value: number) => data.setBigUint64(offset, BigInt(value), true);
  put(NEXT_IN, IN);
  put(NEXT_OUT, OUT);
  put(SIGACTION, handler);
  put(SIGACTION + 8, SA_SIGINFO + SA_ONSTACK + SA_NODEFER);
  put(ALTERNATE_STACK, HANDLER_STACK);
  put(ALTERNATE_STACK + 16, HANDLER_STACK_SIZE);
  const code = new Uint32Array(0x400).fill(BRK);
  const none = new Uint8Array();
  const bytes = (array: Uint32Array) => new Uint8Array(array.buffer);
  return writeElf(TEXT, [
    { address: TEXT, content: bytes(text), size: text.byteLength, permissions: 5 },
    { address: DATA, content: new Uint8Array(data.buffer), size: DATA_SIZE, permissions: 6 },
    { address: PRISTINE, content: none, size: WINDOW_SIZE, permissions: 6 },
    { address: CODE_PAGE, content: bytes(code), size: 0x1000, permissions: 7 },
    { address: WINDOW, content: none, size: WINDOW_SIZE, permissions: 6 },
    { address: IN, content: none, size: INPUT_LIMIT, permissions: 6 },
    { address: OUT, content: none, size: OUTPUT_LIMIT, permissions: 6 },
  ]);
}
