/**
 * Kernel formats: what a file is, and which bytes go to which guest address.
 * Linux's "Booting AArch64 Linux" (Documentation/arch/arm64/booting.rst) lays
 * down the Image header; the ELF layout is in the "System V ABI".
 *
 * Kernels come from users and downloads: every offset in a header is checked.
 * @module
 */
import { gunzipSync } from "node:zlib";
import { hex } from "../../core/mod.ts";
import { ELF_MACHINES, looksLike } from "./identify.ts";

/** Formats that the option `format` names. */
export type KernelFormat = "auto" | "image" | "elf" | "raw";

/** A kernel, ready to be placed. */
export interface Kernel {
  /** For people: "arm64 Image", "gzip-compressed arm64 Image". */
  readonly description: string;
  readonly segments: readonly { readonly at: number; readonly bytes: Uint8Array; readonly memorySize: number }[];
  readonly entry: number;
  /** Past the last byte that the kernel wants for itself before it reads the device tree. */
  readonly end: number;
}

/** What the placement depends on. */
export interface Target {
  readonly ram: { readonly at: number; readonly size: number };
  readonly format: KernelFormat;
  /** For raw binaries: where it goes, and where it starts. */
  readonly load?: number;
  readonly entry?: number;
}

/** The file can't be booted; the message is for the user. */
export class KernelError extends Error {
  override readonly name = "KernelError";
}

const ALIGNMENT = 0x20_0000;
/** Where a raw binary goes in RAM when nobody says: where arm64 kernels went before they could be placed anywhere. */
const RAW_OFFSET = 0x8_0000;
const IMAGE_MAGIC = 0x644d_5241; // "ARM\x64"
const IMAGE_HEADER_BYTES = 64;

const alignUp = (value: number, alignment: number) => Math.ceil(value / alignment) * alignment;
const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function isImage(file: Uint8Array): boolean {
  return file.length >= IMAGE_HEADER_BYTES && viewOf(file).getUint32(0x38, true) === IMAGE_MAGIC;
}

function isElf(file: Uint8Array): boolean {
  return file.length >= 4 && viewOf(file).getUint32(0) === 0x7f45_4c46;
}

/** Bytes that the PE header of an EFI stub says the file has: the only thing in an Image that tells a truncated one. */
function peFileSize(file: Uint8Array): number {
  const view = viewOf(file);
  if (view.getUint16(0, true) !== 0x5a4d) return 0;
  const pe = view.getUint32(0x3c, true);
  if (pe + 24 > file.length || view.getUint32(pe, true) !== 0x4550) return 0;
  const sections = view.getUint16(pe + 6, true);
  const table = pe + 24 + view.getUint16(pe + 20, true);
  let end = 0;
  for (let at = table; at < table + sections * 40; at += 40) {
    if (at + 40 > file.length) return at + 40;
    end = Math.max(end, view.getUint32(at + 16, true) + view.getUint32(at + 20, true));
  }
  return end;
}

function fromImage(file: Uint8Array, target: Target, description: string): Kernel {
  const view = viewOf(file);
  const wanted = peFileSize(file);
  if (wanted > file.length) {
    throw new KernelError(`truncated arm64 Image: its header speaks of ${wanted} bytes, the file has ${file.length}`);
  }
  // Before Linux 3.17 image_size was 0 and text_offset fixed.
  const headerSize = Number(view.getBigUint64(0x10, true));
  const textOffset = headerSize === 0 ? RAW_OFFSET : Number(view.getBigUint64(0x08, true));
  const imageSize = Math.max(headerSize, file.length);
  if (view.getBigUint64(0x18, true) & 1n) throw new KernelError("a big-endian arm64 Image: only little-endian kernels run here");
  const { ram } = target;
  const at = alignUp(ram.at, ALIGNMENT) + textOffset;
  if (!Number.isSafeInteger(at + imageSize) || at + imageSize > ram.at + ram.size) {
    throw new KernelError(
      `too large for the RAM: the kernel needs ${mebibytes(imageSize)} from ${hex(at)}, the RAM at ${hex(ram.at)} has ${
        mebibytes(ram.size)
      }`,
    );
  }
  return { description, segments: [{ at, bytes: file, memorySize: imageSize }], entry: at, end: at + imageSize };
}

function fromElf(file: Uint8Array, target: Target): Kernel {
  const view = viewOf(file);
  const { ram } = target;
  if (file.length < 64) throw new KernelError("truncated ELF file: no complete header");
  const machine = view.getUint16(18, true);
  if (view.getUint8(5) === 1 && machine !== 183) {
    throw new KernelError(`an ELF file for ${ELF_MACHINES[machine] ?? `machine ${machine}`}, want AArch64`);
  }
  if (view.getUint8(4) !== 2 || view.getUint8(5) !== 1) throw new KernelError("an ELF file that isn't 64-bit little-endian");
  const table = Number(view.getBigUint64(32, true));
  const entrySize = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (entrySize < 56 && count > 0) throw new KernelError("a damaged ELF file: program headers of fewer than 56 bytes");
  const segments: { at: number; bytes: Uint8Array; memorySize: number; virtual: bigint }[] = [];
  for (let index = 0; index < count; index++) {
    const header = table + index * entrySize;
    if (header + 56 > file.length) throw new KernelError("truncated ELF file: its program headers lie past the end");
    if (view.getUint32(header, true) !== 1) continue; // PT_LOAD
    const [offset, virtual, physical, fileSize, memorySize] = [8, 16, 24, 32, 40].map((at) => view.getBigUint64(header + at, true));
    if (offset + fileSize > BigInt(file.length)) throw new KernelError("truncated ELF file: a segment lies past the end");
    if (memorySize === 0n) continue;
    if (fileSize > memorySize) throw new KernelError("a damaged ELF file: a segment is larger in the file than in memory");
    if (physical < BigInt(ram.at) || physical + memorySize > BigInt(ram.at + ram.size)) {
      throw new KernelError(
        `its segment at ${hex(physical)} (${mebibytes(Number(memorySize))}) lies outside the RAM at ${hex(ram.at)} (${
          mebibytes(ram.size)
        }); ` +
          `a vmlinux can't be booted by itself: use arch/arm64/boot/Image`,
      );
    }
    const bytes = file.subarray(Number(offset), Number(offset + fileSize));
    segments.push({ at: Number(physical), bytes, memorySize: Number(memorySize), virtual });
  }
  if (segments.length === 0) throw new KernelError("an ELF file with nothing to load (an object file?)");
  // e_entry is a virtual address; it goes with the segment that holds it.
  const entry = view.getBigUint64(24, true);
  const home = segments.find(({ virtual, memorySize }) => entry >= virtual && entry < virtual + BigInt(memorySize));
  if (!home) throw new KernelError(`its entry point ${hex(entry)} lies in none of its segments`);
  return {
    description: "AArch64 ELF",
    segments,
    entry: target.entry ?? home.at + Number(entry - home.virtual),
    end: Math.max(...segments.map(({ at, memorySize }) => at + memorySize)),
  };
}

function fromRaw(file: Uint8Array, target: Target): Kernel {
  const { ram } = target;
  if (file.length === 0) throw new KernelError("an empty file");
  const at = target.load ?? ram.at + RAW_OFFSET;
  const end = at + file.length;
  if (at < ram.at || end > ram.at + ram.size) {
    throw new KernelError(
      `doesn't fit: ${mebibytes(file.length)} from ${hex(at)}, the RAM at ${hex(ram.at)} has ${mebibytes(ram.size)}`,
    );
  }
  return { description: "raw binary", segments: [{ at, bytes: file, memorySize: file.length }], entry: target.entry ?? at, end };
}

function gunzip(file: Uint8Array, limit: number): Uint8Array {
  try {
    return gunzipSync(file, { maxOutputLength: limit });
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "ERR_BUFFER_TOO_LARGE") throw new KernelError(`too large for the RAM: it decompresses to more than ${mebibytes(limit)}`);
    throw new KernelError(`damaged or truncated gzip data (${error instanceof Error ? error.message : error})`);
  }
}

/** EFI's self-decompressing kernel (CONFIG_EFI_ZBOOT): "zimg", then offset and size of the payload and its compression. */
function zbootPayload(file: Uint8Array, limit: number): Uint8Array | undefined {
  if (file.length < 64 || viewOf(file).getUint32(4) !== 0x7a69_6d67) return undefined;
  const view = viewOf(file);
  const [offset, size] = [view.getUint32(8, true), view.getUint32(12, true)];
  const compression = new TextDecoder().decode(file.subarray(24, 56)).replace(/\0.*/s, "");
  if (compression !== "gzip") {
    throw new KernelError(`an EFI zboot kernel compressed with ${compression}; only gzip is supported: use the plain Image`);
  }
  if (offset + size > file.length) throw new KernelError("truncated EFI zboot kernel: its payload lies past the end");
  return gunzip(file.subarray(offset, offset + size), limit);
}

/** Reads a kernel file and decides where it goes. Throws a {@linkcode KernelError} that tells the user what is wrong. */
export function loadKernel(file: Uint8Array, target: Target): Kernel {
  if (target.format === "raw") return fromRaw(file, target);
  let content = file;
  let prefix = "";
  if (content.length > 2 && content[0] === 0x1f && content[1] === 0x8b) {
    content = gunzip(content, target.ram.size);
    prefix = "gzip-compressed ";
  } else {
    const payload = zbootPayload(content, target.ram.size);
    if (payload) [content, prefix] = [payload, "EFI zboot "];
  }
  if (target.format !== "elf" && isImage(content)) return fromImage(content, target, `${prefix}arm64 Image`);
  if (target.format !== "image" && isElf(content)) return fromElf(content, target);
  const inside = prefix === "" ? "" : `${prefix.trim()}, and inside `;
  const hint = target.format === "auto" ? "; for a bare binary say `format: raw`" : "";
  throw new KernelError(`not an arm64 kernel: it is ${inside}${looksLike(content)}${hint}`);
}
