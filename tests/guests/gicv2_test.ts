/** Debian's kernel on a GICv2: the pass-through CPU interface, few and many list registers, up to as many CPUs as it has. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const { manifest, images } = await debianBoard("virt-gicv2");

interface Row {
  readonly vcpus: number;
  readonly conduit: "hvc" | "smc";
  readonly size: "4KiB" | "8KiB";
  readonly listRegisters: number;
  /** A PCI serial port sends messages to a GICv2m. */
  readonly messages?: boolean;
}

const rows: readonly Row[] = [
  { vcpus: 1, conduit: "hvc", size: "4KiB", listRegisters: 4 },
  { vcpus: 2, conduit: "smc", size: "8KiB", listRegisters: 1, messages: true },
  { vcpus: 4, conduit: "smc", size: "4KiB", listRegisters: 2 },
  { vcpus: 8, conduit: "hvc", size: "8KiB", listRegisters: 4 },
];

const withMessages: readonly (readonly [string, string])[] = [
  ["  - use: generic_timer", "  - use: gicv2m\n  - use: generic_timer"],
  ["      - use: fdt", "      - use: pci\n      - { use: pci_serial, signalling: msi }\n      - use: fdt"],
];

/** A count of /proc/interrupts, over all CPUs. */
function counted(interrupts: string, line: RegExp): number {
  const found = interrupts.split("\n").find((candidate) => line.test(candidate));
  assert(found !== undefined, `${line} isn't in\n${interrupts}`);
  return found.trim().split(/\s+/).slice(1).filter((word) => /^\d+$/.test(word)).reduce((sum, word) => sum + Number(word), 0);
}

for (const { vcpus, conduit, size, listRegisters, messages = false } of rows) {
  Deno.test({
    name:
      `GICv2 with ${vcpus} vCPUs, ${size} of CPU interface, ${listRegisters} list registers, PSCI by ${conduit}: Debian boots to a shell`,
    ignore: images === undefined,
    async fn() {
      const board = changed(manifest, [
        ["conduit: hvc", `conduit: ${conduit}`],
        ["vcpus: 2", `vcpus: ${vcpus}`],
        ["cpu_interface_size: 8KiB", `cpu_interface_size: ${size}`],
        ["list_registers: 4", `list_registers: ${listRegisters}`],
        ...messages ? withMessages : [],
      ]);
      using guest = await Session.start(board, { images, set: { pcpus: String(vcpus) } });
      guest.until(`smp: Brought up 1 node, ${vcpus} CPU${vcpus > 1 ? "s" : ""}`);
      guest.until(`Plugboard: ${vcpus} CPUs online`);
      guest.until("# ");

      assertEquals(guest.command("for i in 1 2 3 4 5 6; do seq 1 200 | wc -l & done; wait").match(/^200$/gm)?.length, 6);
      const before = guest.command("cat /proc/interrupts");
      guest.command("sleep 1");
      const after = guest.command("cat /proc/interrupts");
      assertMatch(after, /GIC-0 +27 Level +arch_timer/);
      assertMatch(after, /GIC-0 +33 Level +uart-pl011/);
      assertMatch(after, /Err: +0$/m);
      assert(counted(after, /arch_timer/) > counted(before, /arch_timer/), "the timer goes on");
      assert(counted(after, /uart-pl011/) > counted(before, /uart-pl011/), "so does the console");
      if (messages) {
        guest.command("exec 3<> /dev/ttyS0; seq 1 100 >&3; sleep 1");
        assert(counted(guest.command("cat /proc/interrupts"), /MSI .* Edge +ttyS0/) > 0);
      }
      if (vcpus > 1) {
        assert(counted(after, /IPI[0-9]: .*Rescheduling/) > 0, after);
        guest.command("echo 0 > /sys/devices/system/cpu/cpu1/online; echo 1 > /sys/devices/system/cpu/cpu1/online");
        assertEquals(guest.command("nproc"), String(vcpus));
        // The console's interrupt moves to the last CPU, and goes on there.
        const irq = /^ *(\d+):.*uart-pl011/m.exec(after)![1];
        guest.command(`cd /proc/irq/${irq}; echo ${vcpus - 1} > smp_affinity_list`);
        assertEquals(guest.command("cat effective_affinity_list"), String(vcpus - 1));
        assertEquals(guest.command("echo still here"), "still here");
      }
      guest.type("poweroff -f\n");
      assertEquals(guest.finish(), { kind: "power-off", domain: "linux", code: undefined });
      assertStringIncludes(guest.console, "reboot: Power down");
      assertEquals(guest.troubles, []);
      assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /failure/.test(kind)), []);
    },
  });
}
