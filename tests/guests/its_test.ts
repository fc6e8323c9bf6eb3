/** Debian's kernel drives the ITS: its tables, LPIs on every CPU, a CPU that goes and comes back, a device that is unmapped and mapped again. */
import { assert, assertEquals } from "@std/assert";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const board = await debianBoard("debian");
const VCPUS = 4;

/** Interrupts of the PCI serial port by CPU, and which it is. */
function serialPort(guest: Session): { irq: string; counts: number[] } {
  const line = guest.command("grep ttyS0 /proc/interrupts");
  const [irq, ...counts] = line.split(/[: ]+/).filter((word) => word !== "");
  assert(line.includes("ITS-MSI"), line);
  // A CPU that is off has no column; the last one goes.
  return { irq, counts: Array.from({ length: VCPUS }, (_, cpu) => Number(counts[cpu]) || 0) };
}

/** Sends something through the port; returns how many interrupts that made on each CPU. */
function interruptsOfSending(guest: Session): number[] {
  const before = serialPort(guest).counts;
  guest.command("(seq 100 120; echo) > /dev/ttyS0; sleep 1");
  return serialPort(guest).counts.map((count, cpu) => count - before[cpu]);
}

Deno.test({
  name: `Debian's kernel with an ITS, ${VCPUS} CPUs: LPIs where they are sent, over hotplug and a driver that comes back`,
  ignore: board.images === undefined,
  async fn() {
    const manifest = changed(board.manifest, [
      ["  - use: generic_timer", "  - use: its\n  - use: generic_timer"],
      ["vcpus: 2", `vcpus: ${VCPUS}`],
      ["      # No kaslr_seed", "      - use: pci\n      - { use: pci_serial, signalling: msi }\n      # No kaslr_seed"],
    ]);
    using guest = await Session.start(manifest, { images: board.images, set: { pcpus: String(VCPUS) } });
    guest.until("ITS [mem 0x08080000-0x0809ffff]");
    guest.until("ITS@0x0000000008080000: allocated 8192 Devices");
    guest.until("GICv3: using LPI property table @");
    guest.until("GICv3: CPU0: using allocated LPI pending table @");
    for (let cpu = 1; cpu < VCPUS; cpu++) guest.until(`GICv3: CPU${cpu}: using allocated LPI pending table @`);
    guest.until("# ");

    guest.command("exec 3<> /dev/ttyS0"); // keeps the port open, and its interrupt
    const { irq } = serialPort(guest);
    for (let cpu = 0; cpu < VCPUS; cpu++) {
      guest.command(`echo ${1 << cpu} > /proc/irq/${irq}/smp_affinity`);
      const made = interruptsOfSending(guest);
      assert(made[cpu] >= 3, `CPU ${cpu} had ${made}`);
      assert(made.every((count, other) => other === cpu || count <= 1), `CPU ${cpu}: others had ${made}`);
    }

    // The CPU with the interrupt goes; it is served elsewhere, and there again when it is back and asked for.
    guest.command(`echo 0 > /sys/devices/system/cpu/cpu${VCPUS - 1}/online`);
    assert(interruptsOfSending(guest).slice(0, -1).some((count) => count >= 3));
    guest.command(`echo 1 > /sys/devices/system/cpu/cpu${VCPUS - 1}/online; echo ${1 << (VCPUS - 1)} > /proc/irq/${irq}/smp_affinity`);
    assert(interruptsOfSending(guest)[VCPUS - 1] >= 3);

    // MAPD and DISCARD, both ways.
    guest.command("exec 3>&-");
    const port = "/sys/bus/pci/drivers/serial";
    for (let n = 0; n < 3; n++) {
      guest.command(`echo 0000:00:01.0 > ${port}/unbind; grep -c ITS-MSI /proc/interrupts`);
      guest.command(`echo 0000:00:01.0 > ${port}/bind; sleep 1; exec 3<> /dev/ttyS0`);
      assert(interruptsOfSending(guest).reduce((sum, count) => sum + count) >= 3);
      guest.command("exec 3>&-");
    }

    guest.type("poweroff -f\n");
    assertEquals(guest.finish().kind, "power-off");
    assertEquals(guest.troubles, []);
    assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /^(ITS|LPI)/.test(kind)), []);
  },
});
