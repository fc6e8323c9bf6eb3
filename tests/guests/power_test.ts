/** Linux's secondary CPUs started in every way there is: by each version of PSCI, through either conduit, and from a spin table. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { changed, debianBoard } from "./debian_images.ts";
import type { Changes } from "./debian_images.ts";
import { Session } from "./session.ts";

const cloud = await debianBoard("debian-cloud");

const psci = (...options: readonly string[]): Changes => [["    conduit: hvc\n", options.map((option) => `    ${option}\n`).join("")]];
const table = (pen: string): Changes => [["      - use: fdt\n", `      - use: fdt\n      - { use: spin_table, pen: ${pen} }\n`]];

interface Row {
  readonly name: string;
  readonly changes: Changes;
  /** What the kernel says of it. */
  readonly says: readonly string[];
  /** Turns a CPU off and on so often. */
  readonly hotplug: number;
  /** How it ends; PSCI 0.1 can't. */
  readonly end?: { readonly command: string; readonly kind: string };
}

const off = { command: "poweroff -f", kind: "power-off" };

const rows: readonly Row[] = [
  { name: "PSCI 0.1", changes: psci("version: 0.1"), says: ["psci: Using PSCI v0.1 Function IDs from DT"], hotplug: 2 },
  {
    name: "PSCI 0.2 by SMC, without EL3",
    changes: [["model: cortex-a57", "model: cortex-a57\n    el3: absent_trapped"], ...psci("version: 0.2", "conduit: smc")],
    says: ["psci: PSCIv0.2 detected in firmware.", "psci: Using standard PSCI v0.2 function IDs"],
    hotplug: 2,
    end: off,
  },
  {
    name: "PSCI 1.0, a CPU takes 1 ms to power up; SMCCC 1.2",
    changes: [["  - use: psci\n", "  - use: smccc\n  - use: psci\n"], ...psci("version: 1.0", "power_up: 1ms")],
    says: ["psci: PSCIv1.0 detected in firmware.", "psci: SMC Calling Convention v1.2"],
    hotplug: 20,
    end: off,
  },
  { name: "a spin table; PSCI powers off", changes: table("table"), says: ["psci: PSCIv1.1 detected in firmware."], hotplug: 0, end: off },
  { name: "a holding pen for all; PSCI powers off", changes: table("holding"), says: [], hotplug: 0, end: off },
];

for (const { name, changes, says, hotplug, end } of rows) {
  Deno.test({
    name: `Debian's CPUs start by ${name}`,
    ignore: cloud.images === undefined,
    async fn() {
      const manifest = changed(cloud.manifest, [["vcpus: 2", "vcpus: 3"], ...changes]);
      using guest = await Session.start(manifest, { images: cloud.images, set: { pcpus: "3" } });
      for (const text of says) guest.until(text);
      for (const cpu of [1, 2]) guest.until(`CPU${cpu}: Booted secondary processor 0x000000000${cpu}`);
      guest.until("# ");
      assertEquals(guest.command("nproc"), "3");
      const method = guest.command("cat /proc/device-tree/cpus/cpu@1/enable-method; echo");
      assertStringIncludes(method, changes.some(([, to]) => to.includes("spin_table")) ? "spin-table" : "psci");
      if (hotplug > 0) {
        const cpu = "/sys/devices/system/cpu/cpu2/online";
        const loop = `n=0; while [ $n -lt ${hotplug} ]; do echo 0 > ${cpu}; echo 1 > ${cpu}; n=$((n+1)); done; nproc`;
        assertEquals(guest.command(loop).split("\n").at(-1), "3");
      }
      assert(!/BUG:|WARNING:|Call trace|rcu.*stall|failed to (come online|boot)/i.test(guest.console), guest.console.slice(-2000));
      if (end === undefined) return;
      guest.type(`${end.command}\n`);
      assertEquals(guest.finish().kind, end.kind);
    },
  });
}
