/** The same guests on QEMU's `virt` machine, which has our boards' memory map: an independent word on images and device trees. */

/** What to boot. Sizes in MiB; times in wall-clock milliseconds. */
export interface QemuGuest {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly append?: string;
  /** Blob to use in place of QEMU's own tree; QEMU adds the initrd and the command line. */
  readonly deviceTree?: Uint8Array;
  /** A raw image, which the guest can't write: its only virtio disk. */
  readonly disk?: string;
  readonly cpu?: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** What to type, each when the console has shown `after`. */
  readonly typed?: readonly { readonly after: string; readonly text: string }[];
  readonly timeoutMs?: number;
}

/** What came of it. */
export interface QemuRun {
  readonly console: string;
  readonly seconds: number;
  /** False when the time ran out. */
  readonly ended: boolean;
}

/** Boots a guest on QEMU until it powers off. */
export async function runOnQemu(guest: QemuGuest): Promise<QemuRun> {
  const directory = await Deno.makeTempDir({ prefix: "plugboard-qemu-" });
  try {
    const file = async (name: string, bytes: Uint8Array) => {
      await Deno.writeFile(`${directory}/${name}`, bytes);
      return `${directory}/${name}`;
    };
    const args = ["-M", "virt,gic-version=3", "-cpu", guest.cpu ?? "cortex-a57", "-smp", String(guest.cpus), "-m", String(guest.memoryMiB)];
    args.push("-nic", "none", "-nographic", "-no-reboot", "-kernel", await file("kernel", guest.kernel));
    if (guest.initrd) args.push("-initrd", await file("initrd", guest.initrd));
    if (guest.append) args.push("-append", guest.append);
    if (guest.deviceTree) args.push("-dtb", await file("dtb", guest.deviceTree));
    if (guest.disk) {
      args.push("-drive", `if=none,id=disk,format=raw,readonly=on,file=${guest.disk}`, "-device", "virtio-blk-device,drive=disk");
    }
    return await converse(args, guest);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function converse(args: string[], { typed = [], timeoutMs = 180_000 }: QemuGuest): Promise<QemuRun> {
  const began = performance.now();
  const child = new Deno.Command("qemu-system-aarch64", { args, stdin: "piped", stdout: "piped", stderr: "null" }).spawn();
  let ended = true;
  const timer = setTimeout(() => {
    ended = false;
    child.kill("SIGKILL");
  }, timeoutMs);
  const keyboard = child.stdin.getWriter();
  const waiting = [...typed];
  const decoder = new TextDecoder();
  let console = "";
  let seen = 0;
  for await (const chunk of child.stdout) {
    console += decoder.decode(chunk, { stream: true });
    for (let next = waiting[0]; next && console.indexOf(next.after, seen) >= 0; next = waiting[0]) {
      seen = console.indexOf(next.after, seen) + next.after.length;
      await keyboard.write(new TextEncoder().encode(next.text)).catch(() => {});
      waiting.shift();
    }
  }
  await child.status;
  clearTimeout(timer);
  await keyboard.close().catch(() => {});
  return { console, seconds: (performance.now() - began) / 1000, ended };
}
