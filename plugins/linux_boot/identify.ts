/** Says what a file looks like when it isn't the kernel that was asked for. */

/** ELF e_machine values that people hand us by mistake. */
export const ELF_MACHINES: Readonly<Record<number, string>> = {
  3: "x86 (32-bit)",
  8: "MIPS",
  20: "PowerPC",
  21: "PowerPC64",
  22: "S/390",
  40: "Arm (AArch32)",
  62: "x86-64",
  183: "AArch64",
  243: "RISC-V",
  258: "LoongArch",
};

interface Signature {
  readonly at: number;
  /** Bytes, or the characters of a text. */
  readonly bytes: string | readonly number[];
  readonly what: string;
}

/** In the order of trust: the first match is the answer. */
const signatures: readonly Signature[] = [
  { at: 0x202, bytes: "HdrS", what: "an x86 kernel (bzImage)" },
  { at: 0x24, bytes: [0x18, 0x28, 0x6f, 0x01], what: "a 32-bit Arm kernel (zImage)" },
  { at: 0x38, bytes: "RSC\x05", what: "a RISC-V kernel (Image)" },
  { at: 0x30, bytes: "RISCV", what: "a RISC-V kernel (Image)" },
  { at: 0, bytes: [0x27, 0x05, 0x19, 0x56], what: "a U-Boot uImage; take the Image out of it with dumpimage" },
  { at: 0, bytes: [0xd0, 0x0d, 0xfe, 0xed], what: "a device tree blob or a FIT image" },
  { at: 0, bytes: [0x1f, 0x8b], what: "gzip data" },
  { at: 0, bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], what: "xz data; decompress it first" },
  { at: 0, bytes: [0x28, 0xb5, 0x2f, 0xfd], what: "zstd data; decompress it first" },
  { at: 0, bytes: "BZh", what: "bzip2 data; decompress it first" },
  { at: 0, bytes: [0x02, 0x21, 0x4c, 0x18], what: "lz4 data; decompress it first" },
  { at: 0, bytes: [0x04, 0x22, 0x4d, 0x18], what: "lz4 data; decompress it first" },
  { at: 0, bytes: "!<arch>\ndebian", what: "a Debian package; name the file inside it with deb:PACKAGE#PATH" },
  { at: 0, bytes: "!<arch>", what: "an ar archive" },
  { at: 0, bytes: "07070", what: "a cpio archive: an initramfs, which goes to the option initrd" },
  { at: 257, bytes: "ustar", what: "a tar archive" },
  { at: 0, bytes: "PK\x03\x04", what: "a zip archive" },
  { at: 0, bytes: "hsqs", what: "a squashfs file system" },
  { at: 0x438, bytes: [0x53, 0xef], what: "an ext file system" },
  { at: 0x8001, bytes: "CD001", what: "an ISO 9660 image" },
  { at: 0, bytes: "QFI\xfb", what: "a qcow2 disk image" },
  { at: 0, bytes: "\x7fELF", what: "an ELF file" },
  { at: 0, bytes: "MZ", what: "an EFI program that isn't an arm64 kernel" },
  { at: 0, bytes: "<!DOCTYPE", what: "a web page (was the download an error page?)" },
  { at: 0, bytes: "<html", what: "a web page (was the download an error page?)" },
  { at: 0, bytes: "version https://git-lfs", what: "a Git LFS pointer, not the file itself" },
  { at: 0, bytes: "#!", what: "a script" },
  { at: 510, bytes: [0x55, 0xaa], what: "a disk image (MBR)" },
];

function matches(file: Uint8Array, { at, bytes }: Signature): boolean {
  const wanted = typeof bytes === "string" ? [...bytes].map((char) => char.charCodeAt(0)) : bytes;
  return at + wanted.length <= file.length && wanted.every((byte, index) => file[at + index] === byte);
}

/** "an x86 kernel (bzImage)", as far as its first bytes tell. */
export function looksLike(file: Uint8Array): string {
  if (file.length === 0) return "an empty file";
  if (file.subarray(0, 4096).every((byte) => byte === 0)) return "nothing but zeros";
  const known = signatures.find((signature) => matches(file, signature));
  if (known) return known.what;
  const text = file.subarray(0, 256).every((byte) => byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte < 127));
  return text ? "a text file" : "unknown data";
}
