/** Debian's kernel on CPUs that are threads: to a shell, work on both CPUs, one that goes and comes back, off. PLUGBOARD_BOOTS says how many times. */
import { assertEquals } from "@std/assert";
import { debianBoard } from "../guests/debian_images.ts";
import { Session } from "../guests/session.ts";

const { manifest, images } = await debianBoard("debian-cloud");
const boots = Number(Deno.env.get("PLUGBOARD_BOOTS") ?? 1);
const sha256 = "6251e5743b6fd6a7d606130bdf7c15077ce85ebd3a0fdee284d15a46df199e38"; // of `seq 1 2000`

for (let boot = 1; boot <= boots; boot++) {
  Deno.test({
    name: `Debian's kernel on two CPUs in parallel, boot ${boot}`,
    ignore: images === undefined,
    async fn() {
      // Threads that get little of a busy host take their time.
      using guest = await Session.start(manifest, { images, checksTables: false, set: { parallel: "true" }, wallLimitMs: 400_000 });
      guest.until("smp: Brought up 1 node, 2 CPUs");
      guest.until("Plugboard: 2 CPUs online, Linux 6.1.0-");
      guest.until("# ");
      guest.command("dmesg -n 1");
      const sums = guest.command("for i in 1 2 3 4; do (seq 1 2000 | sha256sum) & done; wait");
      assertEquals(sums.match(new RegExp(sha256, "g"))?.length, 4, sums);
      // Processes that come and go on both: page tables, copies on write, code that one CPU writes and another executes.
      const loops =
        "for c in 1 2; do taskset $c sh -c 'i=0; while [ $i -lt 25 ]; do /bin/true | cat; i=$((i+1)); done; echo rounds $i' & done; wait";
      assertEquals(guest.command(loops).match(/^rounds 25/gm)?.length, 2);
      const online = "/sys/devices/system/cpu/cpu1/online";
      assertEquals(guest.command(`echo 0 > ${online}; nproc; echo 1 > ${online}; nproc`).split("\n").slice(-2).map((line) => line.trim()), [
        "1",
        "2",
      ]);
      guest.type("poweroff -f\n");
      assertEquals(guest.finish(), { kind: "power-off", domain: "linux", code: undefined });
      assertEquals(guest.troubles, []);
    },
  });
}
