/** Linux's own drivers on the small devices: the clock and its alarm, the power key, the watchdog, and stolen time. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { debianBoard } from "./debian_images.ts";
import type { Changes } from "./debian_images.ts";
import { Session } from "./session.ts";

/** The newest generic kernel of Debian 12: the cloud kernel has no driver for keys on GPIO pins, the installer's no modules at hand. (`??` isn't `-cloud`.) */
const GENERIC = "deb:linux-image-6.1.0-??-arm64#";
const modules = ["input/evdev", "input/keyboard/gpio_keys", "watchdog/sbsa_gwdt"].map((path) => `drivers/${path}.ko`);

const busybox = `              - { path: /bin/busybox, from: "deb:busybox-static#/bin/busybox" }\n`;
const files = modules.map((path) =>
  `              - { path: /lib/modules/${path.split("/").at(-1)}, from: "${GENERIC}/lib/modules/*/kernel/${path}" }\n`
);
const add = (...plugins: readonly string[]): Changes[number] => [
  "      - use: fdt\n",
  [...plugins, "fdt"].map((name) => `      - use: ${name}\n`).join(""),
];

const devices = await debianBoard("debian-cloud", [
  ["deb:linux-image-6.1.0-*-cloud-arm64#", GENERIC],
  [busybox, busybox + files.join("")],
  ["vcpus: 2", "vcpus: 1"],
  add("pl031", "pl061", "sbsa_gwdt"),
]);

/** 17 March 2030, 17:46:40 UTC. */
const BOOT = 1_900_000_000;

Deno.test({
  name: "Linux on PL031, PL061 and the Generic Watchdog: date, alarm, power key, reset",
  ignore: devices.images === undefined,
  async fn() {
    using guest = await Session.start(devices.manifest, { images: devices.images, set: { pcpus: "1" }, bootTimeSeconds: BOOT });
    guest.until("rtc-pl031 9010000.pl031: setting system clock to 2030-03-17T17:46:4");
    guest.until("\n# ");
    guest.command("stty columns 300"); // the shell folds what is typed
    const count = (driver: string) => Number(guest.command(`grep ${driver} /proc/interrupts`).match(/\d+: +(\d+)/)?.[1]);

    // The date, from the registers.
    assertMatch(guest.command("cat /sys/class/rtc/rtc0/date"), /^2030-03-17$/);
    assertEquals(guest.command("date -u -s '2033-06-01 12:00:00' > /dev/null; hwclock -u -w; cat /sys/class/rtc/rtc0/date"), "2033-06-01");

    // An alarm interrupts, once; another wakes the machine up.
    assertEquals(count("rtc-pl031"), 0);
    guest.command("echo +2 > /sys/class/rtc/rtc0/wakealarm; sleep 1");
    assertEquals(count("rtc-pl031"), 0);
    guest.command("sleep 2");
    assertEquals(count("rtc-pl031"), 1);
    const before = guest.machine.nowNs;
    guest.command("echo +20 > /sys/class/rtc/rtc0/wakealarm; echo freeze > /sys/power/state", { limitNs: 60e9 });
    const sleptNs = guest.machine.nowNs - before;
    assert(sleptNs > 18e9 && sleptNs < 25e9, `${sleptNs} ns of sleep`);

    // The power key: EV_KEY, KEY_POWER, down and up.
    guest.command("insmod /lib/modules/evdev.ko; insmod /lib/modules/gpio_keys.ko");
    assertEquals(guest.command("cat /sys/class/input/event0/device/name"), "gpio-keys");
    guest.type(`(dd if=/dev/input/event0 bs=24 count=4 2>/dev/null | hexdump -v -e '24/1 "%02x" "\\n"') &\n`);
    guest.until("\n# ");
    guest.machine.serialInput("power-key", new TextEncoder().encode("!"));
    const events = guest.command("wait").split("\n").slice(0, 4).map((event) => event.slice(32));
    assertEquals(events, ["0100740001000000", "0000000000000000", "0100740000000000", "0000000000000000"]);

    // A guest that opens its watchdog and then does nothing more is reset, and finds its clock as it left it.
    guest.command("insmod /lib/modules/sbsa_gwdt.ko");
    guest.type("watchdog -T 4 -t 1 /dev/watchdog0; sleep 10; killall -STOP watchdog; echo stopped\n");
    guest.until("\nstopped");
    const stopped = guest.machine.nowNs;
    assertEquals(guest.finish(), { kind: "reboot", domain: "linux", cause: "its watchdog" });
    const lateNs = guest.machine.nowNs - stopped;
    assert(lateNs > 2e9 && lateNs < 5e9, `reset after ${lateNs} ns`);
    await guest.machine.reboot("linux");
    guest.stopped = undefined;
    guest.until("rtc-pl031 9010000.pl031: setting system clock to 2033-06-01T12:0");
  },
});

const shared = await debianBoard("debian-cloud", [
  ["pcpus: 2\n", "pcpus: 1\nnsPerInstruction: 4\n"], // a slow CPU: seconds cost less
  ["scheduler_null", "scheduler_fair"],
  ["vcpus: 2", "vcpus: 4"],
  ["  - use: psci\n", "  - use: smccc\n  - use: psci\n"],
  add("pvtime"),
]);

Deno.test({
  name: "Linux sees the time that is stolen from it: 4 vCPUs that share a pCPU",
  ignore: shared.images === undefined,
  async fn() {
    using guest = await Session.start(shared.manifest, { images: shared.images });
    guest.until("arm-pv: using stolen time PV");
    guest.until("\n# ");
    // Fields of /proc/stat in hundredths of a second: user, nice, system, idle, iowait, irq, softirq, steal.
    const cpus = () =>
      guest.command("grep cpu[0-9] /proc/stat").split("\n").map((line) => {
        const [user, nice, system, idle, , , , steal] = line.trim().split(" ").slice(1).map(Number);
        return { busy: user + nice + system, idle, steal };
      });
    const spin = (seconds: number, count: number) => `for n in $(seq ${count}); do timeout ${seconds} sha256sum /dev/zero & done; wait`;
    const differences = (command: string) => {
      const before = cpus();
      guest.command(command);
      return cpus().map(({ busy, idle, steal }, n) => ({
        busy: busy - before[n].busy,
        idle: idle - before[n].idle,
        steal: steal - before[n].steal,
      }));
    };
    const sum = (list: readonly number[]) => list.reduce((total, value) => total + value);

    const alone = differences(spin(1, 1));
    assert(sum(alone.map(({ steal }) => steal)) < 10, `one busy vCPU has the pCPU to itself: ${JSON.stringify(alone)}`);

    const all = differences(spin(1, 4));
    for (const { busy, steal } of all) {
      assert(busy > 17 && busy < 35, `a quarter of 1 s: ${JSON.stringify(all)}`);
      assert(steal > 65 && steal < 85, `three quarters of 1 s: ${JSON.stringify(all)}`);
    }
  },
});
