/** QEMU's side: the same guests on `qemu-system-aarch64`, where that is installed. */

const PROGRAM = "qemu-system-aarch64";

/** Its version, or `undefined` when it isn't installed. */
export async function qemuVersion(): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(PROGRAM, { args: ["--version"], stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).match(/version ([\d.]+)/)?.[1] ?? "unknown" : undefined;
  } catch {
    return undefined;
  }
}

/** What to run on it. */
export interface QemuGuest {
  readonly kernel: string;
  readonly initrd?: string;
  readonly append: string;
  readonly memoryMiB: number;
  /** The device tree has a kaslr-seed. */
  readonly hasSeed?: boolean;
}

/** The command line: the machine that our boards describe, its console on standard output. */
export function qemuCommand({ kernel, initrd, append, memoryMiB, hasSeed = false }: QemuGuest): string[] {
  return [
    PROGRAM,
    // As on our boards, no kaslr-seed unless it is asked for: with one, Linux isolates its page tables.
    ...["-machine", `virt,gic-version=3,dtb-randomness=${hasSeed ? "on" : "off"}`, "-accel", "tcg", "-cpu", "cortex-a57"],
    ...["-smp", "1", "-m", `${memoryMiB}`],
    // A guest that powers off leaves it running, so that its CPU time can still be read.
    ...["-no-shutdown", "-nodefaults", "-display", "none", "-serial", "stdio", "-kernel", kernel, "-append", append],
    ...initrd === undefined ? [] : ["-initrd", initrd],
  ];
}
