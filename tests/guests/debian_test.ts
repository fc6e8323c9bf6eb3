/** Debian's kernels, unmodified, to a shell in which somebody types. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const installer = await debianBoard("debian");
const cloud = await debianBoard("debian-cloud");

interface Row {
  readonly name: string;
  readonly board: typeof installer;
  readonly vcpus: number;
  readonly conduit: "hvc" | "smc";
  readonly changes?: readonly (readonly [string, string])[];
}

const rows: readonly Row[] = [
  { name: "installer kernel, 1 vCPU", board: installer, vcpus: 1, conduit: "hvc" },
  { name: "installer kernel, 2 vCPUs, PSCI by SMC", board: installer, vcpus: 2, conduit: "smc" },
  { name: "installer kernel, 4 vCPUs", board: installer, vcpus: 4, conduit: "hvc" },
  {
    name: "cloud kernel, 4 vCPUs that share 2 pCPUs, Cortex-A72",
    board: cloud,
    vcpus: 4,
    conduit: "hvc",
    changes: [["scheduler_null", "scheduler_fair"], ["model: cortex-a57", "model: cortex-a72"]],
  },
];

const sha256 = "6251e5743b6fd6a7d606130bdf7c15077ce85ebd3a0fdee284d15a46df199e38"; // of `seq 1 2000`

for (const { name, board, vcpus, conduit, changes = [] } of rows) {
  Deno.test({
    name: `Debian's ${name}: boots to a shell, answers, powers off`,
    ignore: board.images === undefined,
    async fn() {
      const manifest = changed(board.manifest, [["conduit: hvc", `conduit: ${conduit}`], ["vcpus: 2", `vcpus: ${vcpus}`], ...changes]);
      const pcpus = changes.length > 0 ? 2 : vcpus;
      using guest = await Session.start(manifest, { images: board.images, set: { pcpus: String(pcpus) } });
      guest.until("psci: PSCIv1.1 detected in firmware.");
      for (let cpu = 1; cpu < vcpus; cpu++) guest.until(`CPU${cpu}: Booted secondary processor 0x000000000${cpu} [0x41`);
      guest.until(`smp: Brought up 1 node, ${vcpus} CPU${vcpus > 1 ? "s" : ""}`);
      guest.until("CPU: All CPU(s) started at EL1");
      guest.until("Run /init as init process");
      guest.until(`Plugboard: ${vcpus} CPUs online, Linux 6.1.0-`);
      guest.until("shell ready");
      guest.until("# ");

      assertEquals(guest.command("nproc"), String(vcpus));
      assertEquals(guest.command("seq 1 2000 | sha256sum"), `${sha256}  -`);
      const parallel = guest.command("for i in 1 2 3 4; do (seq 1 2000 | sha256sum) & done; wait");
      assertEquals(parallel.match(new RegExp(sha256, "g"))?.length, 4, parallel);
      assertEquals(guest.command("sleep 1; echo $?"), "0");
      const conduitInUse = [...guest.command("cat /proc/device-tree/psci/method; echo")].filter((letter) => letter >= " ").join("");
      assertEquals(conduitInUse, conduit);
      const interrupts = guest.command("cat /proc/interrupts");
      assertMatch(interrupts, /GICv3 +27 Level +arch_timer/);
      assertMatch(interrupts, /Err: +0$/m);
      if (vcpus > 1) {
        // Off and on again: CPU_OFF, AFFINITY_INFO, CPU_ON.
        assertEquals(guest.command("echo 0 > /sys/devices/system/cpu/cpu1/online; nproc").split("\n").at(-1), String(vcpus - 1));
        assertEquals(guest.command("echo 1 > /sys/devices/system/cpu/cpu1/online; nproc").split("\n").at(-1), String(vcpus));
      }
      guest.type("poweroff -f\n");
      assertEquals(guest.finish(), { kind: "power-off", domain: "linux", code: undefined });
      assertStringIncludes(guest.console, "reboot: Power down");
      assertEquals(guest.troubles, []);
      assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /failure/.test(kind)), []);
      const exits = guest.machine.stats.exits;
      assert(
        (exits.get(conduit) ?? 0) > 4 && !exits.get(conduit === "hvc" ? "smc" : "hvc"),
        "calls take the conduit that the manifest names",
      );
    },
  });
}
