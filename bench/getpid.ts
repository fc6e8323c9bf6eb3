/** A program that does nothing but system calls, as the shell's `printf` can write it: there is no compiler in the guest. */

/** Calls of getpid that it makes before it ends. */
export const GETPID_CALLS = 8 * 2 ** 16;

const BASE = 0x40_0000;
const HEADERS = 64 + 56;
const CODE = [
  0xd280_1588, // mov x8, #172: getpid
  0xd2a0_0109, // mov x9, #8 << 16
  0xd400_0001, // again: svc #0
  0xf100_0529, // subs x9, x9, #1
  0x54ff_ffc1, // b.ne again
  0xd280_0ba8, // mov x8, #93: exit
  0xd280_0000, // mov x0, #0
  0xd400_0001, // svc #0
];

/** An ELF file with one segment. Linux looks at no other field. */
function program(): Uint8Array {
  const size = HEADERS + 4 * CODE.length;
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
  CODE.forEach((word, i) => view.setUint32(HEADERS + 4 * i, word, true));
  return new Uint8Array(view.buffer);
}

/** Shell commands that write it to a file and make that executable. */
export function writeGetpid(path: string): string {
  const octal = [...program()].map((byte) => `\\${byte.toString(8)}`).join("");
  return `printf '${octal}' > ${path}; chmod +x ${path}`;
}
