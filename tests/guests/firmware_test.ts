/** Firmware that others built, from flash to its prompt, over a reset, and on to Debian's kernel. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const uBoot = await debianBoard("u-boot");
const edk2 = await debianBoard("edk2");

Deno.test({
  name: "Debian's U-Boot: prompt, memory, an environment in flash that outlives a reset, and Debian's kernel from there",
  ignore: uBoot.images === undefined,
  async fn() {
    using guest = await Session.start(uBoot.manifest, { images: uBoot.images });
    const prompt = "\n=> ";
    const command = (line: string) => guest.command(line, { prompt }).replace(/\s*=$/, "");
    guest.until("DRAM:  256 MiB");
    guest.until("Flash: 64 MiB");
    guest.until("bad CRC, using default environment");
    guest.until("Hit any key to stop autoboot");
    guest.type("\n");
    guest.until(prompt);

    assertMatch(command("version"), /^U-Boot 20\d\d\.\d\d.*\n\naarch64-linux-gnu-gcc /);
    assertMatch(command("bdinfo"), /-> start += 0x0000000040000000\n-> size += 0x0000000010000000\n/);
    const firstWords = new DataView(uBoot.images!.get("deb:u-boot-qemu#/usr/lib/u-boot/qemu_arm64/u-boot.bin")!.buffer);
    const hex = (word: number) => word.toString(16).padStart(8, "0");
    assertStringIncludes(command("md 0 2"), `00000000: ${hex(firstWords.getUint32(0, true))} ${hex(firstWords.getUint32(4, true))}`);
    assertStringIncludes(command("md 40000000 1"), "40000000: edfe0dd0", "the device tree");
    assertMatch(command("flinfo"), /Size: 32 MB in 256 Sectors\n +Intel Extended command set, Manufacturer ID: 0x89, Device ID: 0x0018/);

    assertMatch(command("dm tree"), /rtc +0 +\[ +\] +rtc-pl031 +\|-- pl031@9010000/);
    command("setenv bootcmd booti 40400000 44000000:400000 40000000");
    command("setenv bootdelay 0");
    assertMatch(
      command("saveenv"),
      /Erasing Flash\.\.\.\n\.\. done\nErased 2 sectors\nWriting to Flash\.\.\. done\nProtected 2 sectors\nOK/,
    );
    guest.type("reset\n");
    await guest.reboot();

    guest.until("Loading Environment from Flash... OK");
    guest.until("Starting kernel ...");
    guest.until("CPU: All CPU(s) started at EL1");
    guest.until("2 CPUs online, Linux 6.1.0-");
    guest.until("by way of U-Boot, shell ready");
    guest.until("# ");
    assertMatch(guest.command("cat /proc/device-tree/chosen/u-boot,version; echo"), /20\d\d\.\d\d/);
    assertEquals(guest.command("cat /proc/device-tree/flash@0/compatible; echo").replaceAll("\0", ""), "cfi-flash");
    guest.type("poweroff -f\n");
    assertEquals(guest.finish(), { kind: "power-off", domain: "u-boot", code: undefined });
    assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /failure|abort|frames/.test(kind)), []);
  },
});

const toShell = (guest: Session) => {
  guest.until("UEFI firmware");
  guest.until("any other key to continue");
  guest.type("\r");
  guest.until("Shell> ");
};

Deno.test({
  name: "Debian's EDK2: the UEFI shell, a variable in flash that outlives a reset, power-off",
  ignore: edk2.images === undefined,
  async fn() {
    using guest = await Session.start(edk2.manifest, { images: edk2.images });
    toShell(guest);
    guest.type("set Plugboard kept-in-flash\r");
    guest.until("Shell> ");
    guest.type("reset\r");
    await guest.reboot();
    toShell(guest);
    guest.type("set Plugboard\r");
    guest.until("kept-in-flash"); // not an echo: what was typed says only the name
    guest.type("date\r");
    guest.until("01/01/2026"); // what the board's clock begins with
    guest.type("memmap\r");
    guest.until("128 MB (134,217,728 Bytes)");
    guest.until("Shell> ");
    guest.type("reset -s\r");
    assertEquals(guest.finish(), { kind: "power-off", domain: "edk2", code: undefined });
    assertEquals(guest.machine.stats.reboots, 1);
    assert(![...guest.machine.stats.traced.keys()].some((kind) => /failure|abort|frames/.test(kind)));
  },
});

Deno.test({
  name: "Debian's EDK2 on a GICv2: its timer's interrupts come, or no countdown would end",
  ignore: edk2.images === undefined,
  async fn() {
    const gic = "use: gicv3\n    distributor: 0x0800_0000\n    redistributors: 0x080a_0000";
    using guest = await Session.start(changed(edk2.manifest, [[gic, "use: gicv2"]]), { images: edk2.images });
    toShell(guest);
    guest.type("reset -s\r");
    assertEquals(guest.finish().kind, "power-off");
  },
});

Deno.test("images that overlap, or lie where nothing is, are refused at their line", async () => {
  const board = (...at: number[]) => `
board: overlaps
plugins: [{ use: cpu_a64 }, { use: vmsa }, { use: scheduler_null }, { use: gicv3 }, { use: generic_timer }]
domains:
  - name: guest
    memory: [{ at: 0x4000_0000, size: 4MiB }]
    plugins:
      - use: fdt
      - { use: firmware, image: fw, at: 0x4010_0000 }
${at.map((address) => `      - { use: load, image: fw, at: ${address} }`).join("\n")}
`;
  const images = new Map([["fw", new Uint8Array(0x1000)]]);
  (await Session.start(board(0x4020_0000, 0x4020_1000), { images }))[Symbol.dispose]();
  const overlap = "0x4020_0ff8 to 0x4020_1ff7, overlaps the image at 0x4020_0000 to 0x4020_0fff";
  await assertRejects(() => Session.start(board(0x4020_0000, 0x4020_0ff8), { images }), Error, `the image, ${overlap}`);
  await assertRejects(() => Session.start(board(0x4010_0800), { images }), Error, "the firmware, 0x4010_0000 to 0x4010_0fff, overlaps");
  await assertRejects(() => Session.start(board(0x4000_0000), { images }), Error, "the device tree, 0x4000_0000");
  const outside = "0x1000 bytes at 0x0100_0000 lie outside the guest's memory (RAM 0x4000_0000 to 0x403f_ffff; it has no cfi_flash)";
  await assertRejects(() => Session.start(board(0x100_0000), { images }), Error, outside);
});

/**
 * Writes a function to 0x4020_0000, calls it and asks for a reset; what it did that is in the flash, so after the reset it prints
 * 2 and what it finds there (0: RAM is new), and calls it once more.
 */
const callsAgain = [
  0xd2a12014, // mov x20, #0x9000000
  0xd2a08015, // mov x21, #0x4000000
  0xd2a80416, // mov x22, #0x40200000
  0xb94002a0, // ldr w0, [x21]
  0x3100041f, // cmn w0, #0x1
  0x54000241, // b.ne 5c <code-0x2c>
  0x52800801, // mov w1, #0x40
  0xb90002a1, // str w1, [x21]
  0xb90002bf, // str wzr, [x21]
  0x52801fe1, // mov w1, #0xff
  0xb90002a1, // str w1, [x21]
  0x100002e1, // adr x1, 88
  0x29400c22, // ldp w2, w3, [x1]
  0x29000ec2, // stp w2, w3, [x22]
  0xb9400822, // ldr w2, [x1, #8]
  0xb9000ac2, // str w2, [x22, #8]
  0xd5033f9f, // dsb sy
  0xd508751f, // ic iallu
  0xd5033fdf, // isb
  0xd63f02c0, // blr x22
  0xd2800120, // mov x0, #0x9
  0xf2b08000, // movk x0, #0x8400, lsl #16
  0xd4000002, // hvc #0x0
  0x52800640, // mov w0, #0x32
  0xb9000280, // str w0, [x20]
  0xb94002c0, // ldr w0, [x22]
  0x1100c000, // add w0, w0, #0x30
  0xb9000280, // str w0, [x20]
  0xd63f02c0, // blr x22
  0x52800a60, // mov w0, #0x53
  0xb9000280, // str w0, [x20]
  0xd2800100, // mov x0, #0x8
  0xf2b08000, // movk x0, #0x8400, lsl #16
  0xd4000002, // hvc #0x0
  0x52800820, // mov w0, #0x41
  0xb9000280, // str w0, [x20]
  0xd65f03c0, // ret
];

Deno.test("after a reboot nothing runs that was decoded before it", async () => {
  const board = `
board: again
plugins: [{ use: cpu_a64 }, { use: vmsa }, { use: scheduler_null }, { use: gicv3 }, { use: generic_timer }, { use: psci }]
memory: 16MiB
domains:
  - name: guest
    memory: [{ at: 0x4000_0000, size: 4MiB }]
    plugins: [{ use: pl011 }, { use: fdt }, { use: cfi_flash }, { use: firmware, image: fw, at: 0x4010_0000 }]
`;
  using guest = await Session.start(board, { images: new Map([["fw", new Uint8Array(Uint32Array.from(callsAgain).buffer)]]) });
  await guest.reboot();
  assertEquals(guest.console, "A");
  const end = guest.finish();
  assertEquals(guest.console, "A20");
  assertMatch(end.report ?? "", /began +0x0000000040200000 +udf #0, ESR_EL1 0x0200_0000/);
});
