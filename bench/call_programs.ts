/**
 * Programs that ask the guest's kernel for one thing and do little else, as the shell's `printf` can write them: there is no compiler in the
 * guest.
 */

/** A program's name among files, and what it does. */
export interface CallProgram {
  readonly path: string;
  readonly doc: string;
  readonly code: readonly number[];
}

/** Numbers of system calls, <asm-generic/unistd.h>. */
const Call = { read: 63, write: 64 } as const;

/** One byte at SP by the file whose number a register has. */
const transfer = (call: number, register: number): number[] => [
  0xaa00_03e0 + register * 2 ** 16, // mov x0, register
  0x9100_03e1, // mov x1, sp
  0xd280_0022, // mov x2, #1
  0xd280_0008 + call * 2 ** 5, // mov x8, #call
  0xd400_0001, // svc #0
];

const exit: readonly number[] = [
  0xd280_0ba8, // mov x8, #93: exit
  0xd280_0000, // mov x0, #0
  0xd400_0001, // svc #0
];

/** Asks for its own number. */
export const getpid: CallProgram = {
  path: "/getpid",
  doc: "524,288 calls",
  code: [
    0xd280_1588, // mov x8, #172: getpid
    0xd2a0_0109, // mov x9, #8 << 16
    0xd400_0001, // 1: svc #0
    0xf100_0529, // subs x9, x9, #1
    0x54ff_ffc1, // b.ne 1b
    ...exit,
  ],
};

/** Two processes pass a byte to and fro by two pipes. */
export const pingPong: CallProgram = {
  path: "/pingpong",
  doc: "20,000 bytes there and back",
  code: [
    0x9100_03e0, // mov x0, sp
    0xd280_0001, // mov x1, #0
    0xd280_0768, // mov x8, #59: pipe2
    0xd400_0001, // svc #0
    0x2940_57f4, // ldp w20, w21, [sp]
    0x9100_03e0, // mov x0, sp
    0xd280_0001, // mov x1, #0
    0xd400_0001, // svc #0
    0x2940_5ff6, // ldp w22, w23, [sp]
    0xd280_0220, // mov x0, #17: SIGCHLD
    0xd280_0001, // mov x1, #0
    0xd280_1b88, // mov x8, #220: clone
    0xd400_0001, // svc #0
    0xd289_c413, // mov x19, #20000
    0xb400_01c0, // cbz x0, 2f
    ...transfer(Call.write, 21), // 1:
    ...transfer(Call.read, 22),
    0xf100_0673, // subs x19, x19, #1
    0x54ff_fea1, // b.ne 1b
    0x1400_000d, // b 3f
    ...transfer(Call.read, 20), // 2:
    ...transfer(Call.write, 23),
    0xf100_0673, // subs x19, x19, #1
    0x54ff_fea1, // b.ne 2b
    ...exit, // 3:
  ],
};

/** Maps 16 MiB, touches each page, unmaps them. */
export const faults: CallProgram = {
  path: "/faults",
  doc: "65,536 pages touched",
  code: [
    0xd280_0213, // mov x19, #16
    0xd280_0000, // 1: mov x0, #0
    0xd2a0_2001, // mov x1, #(16 << 20)
    0xd280_0062, // mov x2, #3: readable, writable
    0xd280_0443, // mov x3, #0x22: private, anonymous
    0x9280_0004, // mov x4, #-1
    0xd280_0005, // mov x5, #0
    0xd280_1bc8, // mov x8, #222: mmap
    0xd400_0001, // svc #0
    0x8b01_0001, // add x1, x0, x1
    0xaa00_03e9, // mov x9, x0
    0x3900_013f, // 2: strb wzr, [x9]
    0x9140_0529, // add x9, x9, #1, lsl #12
    0xeb01_013f, // cmp x9, x1
    0x54ff_ffa1, // b.ne 2b
    0xd2a0_2001, // mov x1, #(16 << 20)
    0xd280_1ae8, // mov x8, #215: munmap
    0xd400_0001, // svc #0
    0xf100_0673, // subs x19, x19, #1
    0x54ff_fdc1, // b.ne 1b
    ...exit,
  ],
};

/** Starts itself again and again, with one argument more, which ends it at once. */
export const spawn: CallProgram = {
  path: "/spawn",
  doc: "2,000 processes that end at once",
  code: [
    0xf940_03e0, // ldr x0, [sp]: how many arguments
    0xf100_041f, // cmp x0, #1
    0x5400_0301, // b.ne 3f
    0xd280_fa13, // mov x19, #2000
    0xd280_0220, // 1: mov x0, #17: SIGCHLD
    0xd280_0001, // mov x1, #0
    0xd280_1b88, // mov x8, #220: clone
    0xd400_0001, // svc #0
    0xb400_0140, // cbz x0, 2f
    0x9280_0000, // mov x0, #-1
    0xd280_0001, // mov x1, #0
    0xd280_0002, // mov x2, #0
    0xd280_0003, // mov x3, #0
    0xd280_2088, // mov x8, #260: wait4
    0xd400_0001, // svc #0
    0xf100_0673, // subs x19, x19, #1
    0x54ff_fe81, // b.ne 1b
    0x1400_0009, // b 3f
    0xf940_07e0, // 2: ldr x0, [sp, #8]: its path
    0xf81e_0fe0, // str x0, [sp, #-32]!
    0xf900_07e0, // str x0, [sp, #8]
    0xf900_0bff, // str xzr, [sp, #16]
    0x9100_03e1, // mov x1, sp
    0xd280_0002, // mov x2, #0
    0xd280_1ba8, // mov x8, #221: execve
    0xd400_0001, // svc #0
    ...exit, // 3:
  ],
};

const BASE = 0x40_0000;
const HEADERS = 64 + 56;

/** An ELF file with one segment. Linux looks at no other field. */
function file(code: readonly number[]): Uint8Array {
  const size = HEADERS + 4 * code.length;
  const view = new DataView(new ArrayBuffer(size));
  [0x7f45_4c46, 0x0201_0100].forEach((word, i) => view.setUint32(4 * i, word));
  const put16 = (at: number, value: number) => view.setUint16(at, value, true);
  const put64 = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  // e_type, e_machine, e_entry, e_phoff, e_ehsize, e_phentsize, e_phnum.
  put16(16, 2);
  put16(18, 183);
  put64(24, BASE + HEADERS);
  put64(32, 64);
  put16(52, 64);
  put16(54, 56);
  put16(56, 1);
  // PT_LOAD, readable and executable; p_vaddr, p_filesz, p_memsz, p_align.
  view.setUint32(64, 1, true);
  view.setUint32(68, 5, true);
  put64(80, BASE);
  put64(96, size);
  put64(104, size);
  put64(112, 4096);
  code.forEach((word, i) => view.setUint32(HEADERS + 4 * i, word, true));
  return new Uint8Array(view.buffer);
}

/** Shell commands that write it to a file and make that executable. */
export function writeProgram({ path, code }: CallProgram): string {
  const octal = [...file(code)].map((byte) => `\\${byte.toString(8)}`).join("");
  return `printf '${octal}' > ${path}; chmod +x ${path}`;
}
