import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { gzipSync } from "node:zlib";
import { KernelError, loadKernel } from "./kernel.ts";
import type { KernelFormat } from "./kernel.ts";
import { place, PlacementError } from "./layout.ts";

const MIB = 2 ** 20;
const ram = { at: 0x4000_0000, size: 64 * MIB };
const load = (file: Uint8Array, format: KernelFormat = "auto", more: { load?: number; entry?: number } = {}) =>
  loadKernel(file, { ram, format, ...more });

function image({ size = 8192, textOffset = 0n, imageSize = BigInt(4 * MIB), flags = 0xan } = {}): Uint8Array {
  const bytes = new Uint8Array(size).fill(0x5a);
  bytes.fill(0, 0, 64);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0x08, textOffset, true);
  view.setBigUint64(0x10, imageSize, true);
  view.setBigUint64(0x18, flags, true);
  view.setUint32(0x38, 0x644d5241, true);
  return bytes;
}

/** An Image with an EFI stub's headers: one section that ends at `sectionEnd`. */
function efiImage(size: number, sectionEnd: number): Uint8Array {
  const bytes = image({ size });
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x5a4d, true);
  view.setUint32(0x3c, 64, true);
  view.setUint32(64, 0x4550, true);
  view.setUint16(64 + 6, 1, true);
  view.setUint16(64 + 20, 0xa0, true);
  const section = 64 + 24 + 0xa0;
  view.setUint32(section + 16, sectionEnd - 4096, true);
  view.setUint32(section + 20, 4096, true);
  return bytes;
}

interface ElfShape {
  machine?: number;
  physical?: bigint;
  virtual?: bigint;
  entry?: bigint;
  fileSize?: bigint;
  memorySize?: bigint;
  elfClass?: number;
}

function elf(shape: ElfShape = {}): Uint8Array {
  const { machine = 183, physical = 0x4010_0000n, virtual = 0xffff_0000_0010_0000n, fileSize = 256n, memorySize = 0x2000n, elfClass = 2 } =
    shape;
  const bytes = new Uint8Array(4096).fill(7);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, elfClass, 1, 1]);
  view.setUint16(18, machine, true);
  view.setBigUint64(24, shape.entry ?? virtual + 0x40n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  [1024n, virtual, physical, fileSize, memorySize].forEach((value, index) => view.setBigUint64(64 + 8 + index * 8, value, true));
  return bytes;
}

Deno.test("an Image goes to a 2 MiB boundary and keeps image_size free", () => {
  const kernel = load(image());
  assertEquals(kernel.entry, 0x4000_0000);
  assertEquals(kernel.end, 0x4040_0000);
  assertEquals(kernel.description, "arm64 Image");
  assertEquals(load(image({ textOffset: 0x80000n })).entry, 0x4008_0000);
  // Before Linux 3.17: no image_size, and the text offset is fixed.
  assertEquals(load(image({ textOffset: 0n, imageSize: 0n })).entry, 0x4008_0000);
});

Deno.test("a gzip-compressed Image and an EFI zboot one are what is inside", () => {
  const inside = image();
  const gzipped = new Uint8Array(gzipSync(inside));
  const kernel = load(gzipped);
  assertEquals(kernel.description, "gzip-compressed arm64 Image");
  assertEquals(kernel.segments[0].bytes.length, inside.length);
  const zboot = new Uint8Array(512 + gzipped.length);
  zboot.set(new TextEncoder().encode("MZ\0\0zimg"));
  new DataView(zboot.buffer).setUint32(8, 512, true);
  new DataView(zboot.buffer).setUint32(12, gzipped.length, true);
  zboot.set(new TextEncoder().encode("gzip"), 24);
  zboot.set(gzipped, 512);
  assertEquals(load(zboot).description, "EFI zboot arm64 Image");
});

Deno.test("an ELF file goes to its physical addresses; its virtual entry point is translated", () => {
  const kernel = load(elf());
  assertEquals(kernel.entry, 0x4010_0040);
  assertEquals(kernel.end, 0x4010_2000);
  assertEquals(kernel.segments[0].bytes.length, 256);
});

Deno.test("a raw binary goes where the manifest says", () => {
  const raw = new Uint8Array(4096).fill(1);
  assertEquals(load(raw, "raw").entry, 0x4008_0000);
  assertEquals(load(raw, "raw", { load: 0x4000_0000, entry: 0x4000_0010 }), {
    description: "raw binary",
    segments: [{ at: 0x4000_0000, bytes: raw, memorySize: 4096 }],
    entry: 0x4000_0010,
    end: 0x4000_1000,
  });
});

function withBytes(at: number, text: string, size = 0x9000): Uint8Array {
  const bytes = new Uint8Array(size).fill(0xee);
  bytes.set([...text].map((char) => char.charCodeAt(0)), at);
  return bytes;
}

const bad: [string, Uint8Array, string, KernelFormat?, { load?: number }?][] = [
  ["an empty file", new Uint8Array(0), "an empty file"],
  ["an x86 kernel", withBytes(0x202, "HdrS"), "not an arm64 kernel: it is an x86 kernel (bzImage)"],
  ["a 32-bit Arm kernel", withBytes(0x24, "\x18\x28\x6f\x01"), "a 32-bit Arm kernel (zImage)"],
  ["a RISC-V kernel", withBytes(0x38, "RSC\x05"), "a RISC-V kernel"],
  ["an initramfs", withBytes(0, "070701"), "an initramfs, which goes to the option initrd"],
  ["a package", withBytes(0, "!<arch>\ndebian-binary"), "deb:PACKAGE#PATH"],
  ["a web page", withBytes(0, "<!DOCTYPE html>"), "was the download an error page?"],
  ["a text", new TextEncoder().encode("hello world\n"), "a text file; for a bare binary say `format: raw`"],
  [
    "a gzip file of something else",
    new Uint8Array(gzipSync(new TextEncoder().encode("no kernel at all\n"))),
    "gzip-compressed, and inside a text file",
  ],
  ["a truncated gzip file", new Uint8Array(gzipSync(image({ size: 65536 }))).slice(0, 90), "damaged or truncated gzip data"],
  [
    "a gzip file larger than the RAM",
    new Uint8Array(gzipSync(new Uint8Array(65 * MIB))),
    "too large for the RAM: it decompresses to more than 64.0 MiB",
  ],
  ["an Image too large for the RAM", image({ imageSize: BigInt(65 * MIB) }), "too large for the RAM: the kernel needs 65.0 MiB"],
  ["an Image with an absurd size", image({ imageSize: 2n ** 63n }), "too large for the RAM"],
  ["a big-endian Image", image({ flags: 1n }), "big-endian"],
  ["a truncated Image", efiImage(MIB, 3 * MIB), "truncated arm64 Image: its header speaks of 3145728 bytes, the file has 1048576"],
  ["an ELF file of another machine", elf({ machine: 62 }), "an ELF file for x86-64, want AArch64"],
  ["a 32-bit ELF file", elf({ elfClass: 1, machine: 40 }), "an ELF file for Arm (AArch32)"],
  ["an ELF file outside the RAM", elf({ physical: 0xffff_8000_0000_0000n }), "use arch/arm64/boot/Image"],
  ["a truncated ELF file", elf({ fileSize: 8192n, memorySize: 8192n }), "truncated ELF file: a segment lies past the end"],
  ["an ELF file cut in its header", elf().slice(0, 40), "truncated ELF file"],
  ["an ELF file without an entry", elf({ entry: 5n }), "its entry point 0x5 lies in none of its segments"],
  ["a raw binary outside the RAM", new Uint8Array(4096), "doesn't fit", "raw", { load: 0x3fff_f000 }],
  ["an ELF file where an Image is wanted", elf(), "it is an ELF file", "image"],
];
for (const [name, file, message, format, more] of bad) {
  Deno.test(`refuses ${name}`, () => assertStringIncludes(assertThrows(() => load(file, format, more), KernelError).message, message));
}

Deno.test("an EFI stub Image of the right size boots", () => {
  assertEquals(load(efiImage(3 * MIB, 3 * MIB)).entry, 0x4000_0000);
});

Deno.test("initrd and device tree are clear of image_size; the initrd is page-aligned, the tree 2 MiB-aligned", () => {
  const kernel = load(image());
  assertEquals(place({ ram, kernel, initrdSize: 5000 }), { initrd: { at: 0x4200_0000, size: 5000 }, deviceTree: 0x4220_0000 });
  assertEquals(place({ ram, kernel, initrdSize: 0 }), { initrd: undefined, deviceTree: 0x4200_0000 });
});

Deno.test("where half of the RAM is too little, they go right behind the kernel", () => {
  const kernel = load(image());
  assertEquals(place({ ram, kernel, initrdSize: 50 * MIB }), { initrd: { at: 0x4040_0000, size: 50 * MIB }, deviceTree: 0x4360_0000 });
});

const crowded: [string, Partial<Parameters<typeof place>[0]>, string, string][] = [
  ["an initrd that is too big", { initrdSize: 61 * MIB }, "initrd", "the initrd of 61.0 MiB at 0x4040_0000 doesn't fit the RAM"],
  ["an initrd that leaves no room for the device tree", { initrdSize: 60 * MIB }, "initrd", "the device tree of 2.0 MiB"],
  ["an initrd on the kernel", { initrdSize: 4096, initrdAt: 0x4030_0000 }, "initrd_at", "overlaps the kernel, 0x4000_0000 to 0x4040_0000"],
  ["an initrd outside the RAM", { initrdSize: 4096, initrdAt: 0x3000_0000 }, "initrd_at", "doesn't fit the RAM"],
  ["a device tree on the initrd", { initrdSize: 8192, initrdAt: 0x4100_0000, deviceTreeAt: 0x4100_1000 }, "dtb_at", "overlaps the initrd"],
];
for (const [name, request, option, message] of crowded) {
  Deno.test(`refuses ${name}`, () => {
    const error = assertThrows(() => place({ ram, kernel: load(image()), initrdSize: 0, ...request }), PlacementError);
    assertEquals(error.option, option);
    assertStringIncludes(error.message, message);
  });
}
