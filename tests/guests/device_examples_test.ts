/** Devices of third parties, one file each, driven by Debian's own drivers. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const GENERIC = "deb:linux-image-6.1.0-??-arm64#";
const busybox = `              - { path: /bin/busybox, from: "deb:busybox-static#/bin/busybox" }\n`;
const module = (path: string) =>
  `              - { path: /lib/modules/${path.split("/").at(-1)}, from: "${GENERIC}/lib/modules/*/kernel/drivers/${path}" }\n`;

const example = (name: string) => new URL(`../../examples/${name}.ts`, import.meta.url).href;

const board = (use: string) =>
  debianBoard("debian-cloud", [
    ["deb:linux-image-6.1.0-*-cloud-arm64#", GENERIC],
    [busybox, busybox + module("watchdog/sp805_wdt.ko")],
    ["vcpus: 2", "vcpus: 1"],
    ["      - use: fdt\n", `${use}      - use: fdt\n`],
  ]);

/** One source, two places where it runs: the guest can't tell them apart. */
const places = [
  { where: "inline", ...await board(`      - use: ${example("sp805")}\n`) },
  { where: "behind IOREQ", ...await board(`      - { use: ${example("sp805")}, runs: ioreq }\n      - use: ioreq\n`) },
];

for (const { where, manifest, images } of places) {
  Deno.test({
    name: `Linux drives examples/sp805.ts ${where}: counts down, is refreshed, and resets the guest that stops refreshing it`,
    ignore: images === undefined,
    async fn() {
      using guest = await Session.start(manifest, { images, set: { pcpus: "1" } });
      guest.until("\n# ");
      guest.command("stty columns 300; insmod /lib/modules/sp805_wdt.ko");
      const show = (name: string) => guest.command(`cat /sys/class/watchdog/watchdog0/${name}`);
      assertEquals([show("identity"), show("state")], ["sp805-wdt", "inactive"]);

      guest.command("watchdog -T 20 -t 1 /dev/watchdog0; sleep 5");
      assertEquals([show("state"), show("timeout")], ["active", "20"]);
      const left = Number(show("timeleft"));
      assert(left >= 18 && left <= 20, `refreshed each second, and ${left} s are left`);
      assertMatch(guest.command("killall -9 watchdog; sleep 3; echo gone"), /gone/);
      const later = Number(show("timeleft"));
      assert(later >= 15 && later <= 17, `${later} s are left`);

      const before = guest.machine.nowNs;
      guest.type("echo waiting\n");
      assertEquals(guest.finish(), { kind: "reboot", domain: "linux", cause: "its SP805" });
      const lateNs = guest.machine.nowNs - before;
      assert(lateNs > 14e9 && lateNs < 18e9, `reset after ${lateNs} ns`);
      assertEquals(guest.troubles, []);
    },
  });
}
