/** One kernel image on every machine: 1, 2, 4 and 8 vCPUs, GICv2 and GICv3 with ITS, PSCI by HVC and SMC. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const boards = { GICv2: await debianBoard("virt-gicv2"), GICv3: await debianBoard("virt-gicv3") };

for (const [gic, board] of Object.entries(boards)) {
  for (const conduit of ["hvc", "smc"] as const) {
    for (const vcpus of [1, 2, 4, 8]) {
      Deno.test({
        name: `${gic}, PSCI by ${conduit}, ${vcpus} vCPU${vcpus > 1 ? "s" : ""}: the same kernel boots, interrupts grow, it powers off`,
        ignore: board.images === undefined,
        async fn() {
          const manifest = changed(board.manifest, [["conduit: hvc", `conduit: ${conduit}`], ["vcpus: 2", `vcpus: ${vcpus}`]]);
          using guest = await Session.start(manifest, { images: board.images, set: { pcpus: String(vcpus) } });
          guest.until("psci: PSCIv1.1 detected in firmware.");
          for (let cpu = 1; cpu < vcpus; cpu++) guest.until(`CPU${cpu}: Booted secondary processor`);
          guest.until(`Plugboard: ${vcpus} CPUs online`);
          guest.until("# ");
          const counts = (name: RegExp): number[] => {
            const line = guest.command("cat /proc/interrupts").split("\n").find((candidate) => name.test(candidate));
            assert(line !== undefined, `/proc/interrupts has no ${name}`);
            return line.split(":")[1].trim().split(/\s+/).slice(0, vcpus).map(Number);
          };
          // Timer ticks (PPI) on every CPU, characters (SPI), messages (LPI), calls between CPUs (SGI).
          const names = [/arch_timer/, /uart-pl011/, ...gic === "GICv3" ? [/ITS-MSI .*ttyS0/] : [], ...vcpus > 1 ? [/IPI0:/] : []];
          guest.command("exec 3<> /dev/ttyS0");
          const before = names.map(counts);
          for (let cpu = 0; cpu < vcpus; cpu++) guest.command(`taskset ${(1 << cpu).toString(16)} usleep 20000`);
          if (gic === "GICv3") guest.command("seq 1 60 >&3; sleep 1");
          names.forEach((name, n) => {
            const grown = counts(name).map((count, cpu) => count - before[n][cpu]);
            assert(grown.some((count) => count > 0), `${name} grew by ${grown}`);
            if (n === 0) assert(grown.every((count) => count > 0), `${name} grew by ${grown}`);
          });
          assertMatch(guest.command("grep Err: /proc/interrupts"), /^Err: +0$/);
          guest.type("poweroff -f\n");
          assertEquals(guest.finish(), { kind: "power-off", domain: "linux", code: undefined });
          assertEquals(guest.troubles, []);
          const { exits } = guest.machine.stats;
          assert(exits.get(conduit)! > 4 && !exits.get(conduit === "hvc" ? "smc" : "hvc"), "calls take the conduit of the manifest");
        },
      });
    }
  }
}
