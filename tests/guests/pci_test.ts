/** Debian's kernel finds the PCI host bridge and a serial port on it, and drives that by INTA#, MSI or MSI-X; messages arrive as LPIs. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const board = await debianBoard("debian");

interface Row {
  readonly signalling: "intx" | "msi" | "msix";
  readonly its: boolean;
  /** How /proc/interrupts names the port's interrupt. */
  readonly shown: string;
}

const rows: readonly Row[] = [
  { signalling: "msi", its: true, shown: `ITS-MSI ${1 << 14} Edge` }, // device 1, function 0; vector 0
  { signalling: "msix", its: true, shown: `ITS-MSI ${1 << 14} Edge` },
  { signalling: "msi", its: false, shown: "GICv3  36 Level" }, // nothing takes messages: the driver falls back to INTA#
];

/** One interrupt for each filling of the transmit FIFO. */
const FIFO = 16;

/** Counts of the port's interrupt by CPU, and its number. */
function counts(guest: Session, shown: string): { irq: string; perCpu: number[] } {
  const lines = guest.command("cat /proc/interrupts").split("\n");
  const line = lines.find((text) => text.includes("ttyS0"));
  assert(line?.includes(shown), `${shown} isn't what serves ttyS0:\n${lines.join("\n")}`);
  const [, irq, first, second] = /^ *(\d+): +(\d+) +(\d+)/.exec(line ?? "")!;
  return { irq, perCpu: [Number(first), Number(second)] };
}

for (const { signalling, its, shown } of rows) {
  Deno.test({
    name: `Debian drives a PCI serial port with ${signalling}${its ? " and an ITS" : ""}: ${shown}`,
    ignore: board.images === undefined,
    async fn() {
      const manifest = changed(board.manifest, [
        ["      # No kaslr_seed", `      - use: pci\n      - { use: pci_serial, signalling: ${signalling} }\n      # No kaslr_seed`],
        ...its ? [["  - use: generic_timer", "  - use: its\n  - use: generic_timer"] as const] : [],
      ]);
      using guest = await Session.start(manifest, { images: board.images });
      guest.until("PCI host bridge to bus 0000:00");
      guest.until("pci 0000:00:01.0: [9710:9900] type 00 class 0x070002");
      guest.until("ttyS0 at I/O 0x1000");
      guest.until("# ");
      assertEquals(guest.command("basename $(readlink /sys/bus/pci/devices/0000:00:01.0/driver)"), "serial");

      guest.command("exec 3<> /dev/ttyS0");
      const before = counts(guest, shown);
      const bytes = 16 * FIFO;
      const send = `for n in $(seq ${bytes / 8}); do echo "word$((100 + n))"; done >&3; sleep 1`; // seven characters, CR and LF
      assertMatch(guest.command(send), new RegExp(`word101\\s+word102\\s[^]*word${100 + bytes / 8}`));
      const middle = counts(guest, shown);
      const grown = middle.perCpu[0] - before.perCpu[0];
      assert(grown >= bytes / FIFO && grown <= bytes, `${grown} interrupts for ${bytes} characters`);

      // Elsewhere: with an ITS, a MOVI.
      guest.command(`echo 2 > /proc/irq/${before.irq}/smp_affinity`);
      assertMatch(guest.command(send), /word101/);
      const after = counts(guest, shown);
      assert(after.perCpu[1] > middle.perCpu[1] + bytes / FIFO - 2, `CPU 1 has ${after.perCpu[1]} interrupts`);
      assert(after.perCpu[0] <= middle.perCpu[0] + 1, "CPU 0 still gets them");

      guest.machine.serialInput("pci-serial", new TextEncoder().encode("a line from outside\n"));
      assertMatch(guest.command('read line <&3; echo "got <$line>"'), /got <a line from outside>/);
      guest.type("poweroff -f\n");
      assertEquals(guest.finish().kind, "power-off");
      assertEquals(guest.troubles, []);
      assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /PCI|its|failure/i.test(kind)), []);
    },
  });
}
