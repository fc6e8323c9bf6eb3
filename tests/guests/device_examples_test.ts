/** Devices of third parties, one file each, driven by Debian's own drivers. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const GENERIC = "deb:linux-image-6.1.0-??-arm64#";
const busybox = `              - { path: /bin/busybox, from: "deb:busybox-static#/bin/busybox" }\n`;
const module = (path: string) =>
  `              - { path: /lib/modules/${path.split("/").at(-1)}, from: "${GENERIC}/lib/modules/*/kernel/drivers/${path}" }\n`;

const example = (name: string) => new URL(`../../examples/${name}.ts`, import.meta.url).href;

const both = (runs: string) => ["sp805", "led_bank"].map((name) => `      - { use: ${example(name)}, runs: ${runs} }\n`).join("");

const board = (runs: string, more: string) =>
  debianBoard("debian-cloud", [
    ["deb:linux-image-6.1.0-*-cloud-arm64#", GENERIC],
    [busybox, busybox + module("watchdog/sp805_wdt.ko") + module("leds/leds-gpio.ko")],
    ["vcpus: 2", "vcpus: 1"],
    ["      - use: fdt\n", `${both(runs)}${more}      - use: fdt\n`],
  ]);

/** One source, two places where it runs: the guest can't tell them apart. */
const places = [
  { where: "inline", ...await board("inline", "") },
  { where: "behind IOREQ", ...await board("ioreq", "      - use: ioreq\n") },
];

for (const { where, manifest, images } of places) {
  Deno.test({
    name:
      `Linux drives examples/led_bank.ts and sp805.ts ${where}: LEDs shine; the watchdog counts down, is refreshed, and resets the guest that stops refreshing it`,
    ignore: images === undefined,
    async fn() {
      using guest = await Session.start(manifest, { images, console: "console", set: { pcpus: "1" } });
      guest.until("\n# ");
      guest.command("stty columns 300; insmod /lib/modules/sp805_wdt.ko; insmod /lib/modules/leds-gpio.ko");

      const shine = (led: number, on: number) => `echo ${on} > /sys/class/leds/bank:${led}/brightness`;
      guest.command([shine(0, 1), shine(7, 1), shine(0, 0)].join("; "));
      assertEquals(guest.ports.get("leds"), "*.......\r\n*......*\r\n.......*\r\n");

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
