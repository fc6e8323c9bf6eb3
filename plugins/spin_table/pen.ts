/** The holding pen: where secondary CPUs wait for their release address, and the code that they run there. */

/** `table`: each CPU has its own release address. `holding`: all of them look at one. */
export type PenKind = "table" | "holding";

/**
 * A64 code; X0 is the address to look at. The kernel writes an entry point there and sends an event (Devicetree Specification,
 * "cpu-release-addr"). It is entered as the boot CPU was: X0 to X3 zero ("Booting AArch64 Linux").
 */
const CODE = Uint32Array.of(
  0xd503_205f, // wfe
  0xf940_0004, // ldr x4, [x0]
  0xb4ff_ffc4, // cbz x4, .-8
  0xaa1f_03e0, // mov x0, xzr
  0xaa1f_03e1, // mov x1, xzr
  0xaa1f_03e2, // mov x2, xzr
  0xaa1f_03e3, // mov x3, xzr
  0xd61f_0080, // br x4
);

/** Each release address has a cache line of its own; the code takes the first one. */
const LINE = 64;
const PAGE = 4096;

/** Bytes of the pen: whole pages. */
export function penSize(vcpus: number, kind: PenKind): number {
  const lines = 1 + (kind === "holding" ? 1 : vcpus);
  return Math.ceil(lines * LINE / PAGE) * PAGE;
}

/** Where a vCPU's release address lies in a pen at `at`. */
export function releaseAddress(at: number, vcpu: number, kind: PenKind): number {
  return at + LINE * (kind === "holding" ? 1 : 1 + vcpu);
}

/** What lies in the pen at boot: code, and release addresses that are zero. */
export function penImage(size: number): Uint8Array {
  const image = new Uint8Array(size);
  const view = new DataView(image.buffer);
  CODE.forEach((word, n) => view.setUint32(n * 4, word, true));
  return image;
}
