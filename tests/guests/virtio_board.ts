/** Debian's cloud kernel with virtio drivers in its initramfs, made to boot quickly: what the tests of devices start from. */
import type { Changes } from "./debian_images.ts";

const CLOUD = "deb:linux-image-6.1.0-*-cloud-arm64#";
const BUSYBOX = `              - { path: /bin/busybox, from: "deb:busybox-static#/bin/busybox" }\n`;

/** What a disk needs, in the order in which they need each other. */
export const diskModules: readonly string[] = ["virtio/virtio_ring", "virtio/virtio", "virtio/virtio_mmio", "block/virtio_blk"];

/** A module's own name. */
export const nameOf = (module: string): string => module.split("/").at(-1)!;

/** Puts modules (paths below drivers/, without .ko) into the initramfs, as /lib/modules/NAME.ko. */
export function withModules(modules: readonly string[]): Changes[number] {
  const files = modules.map((module) =>
    `              - { path: /lib/modules/${nameOf(module)}.ko, from: "${CLOUD}/lib/modules/*/kernel/drivers/${module}.ko" }\n`
  );
  return [BUSYBOX, BUSYBOX + files.join("")];
}

/**
 * A quarter of the instructions until the shell: the kernel's tests of its ciphers and the setting up of memory are other tests' matter.
 * `memoryMiB`: the guest's.
 */
export const quickly = (memoryMiB: number): Changes => [
  ["size: 640MiB }", `size: ${memoryMiB + 64}MiB }`],
  ["size: 512MiB }", `size: ${memoryMiB}MiB }`],
  ["append: console=ttyAMA0", "append: console=ttyAMA0 cryptomgr.notests"],
];

/** Puts devices, lines of a manifest, into the guest. */
export const withDevices = (lines: string): Changes[number] => ["      - use: fdt\n", `${lines}      - use: fdt\n`];
