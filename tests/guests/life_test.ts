/** The life of Debian's kernel on its machine: CPUs that go and come back, interrupts that move, reboots, other kernels, sleep. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const KERNEL = "deb:debian-installer-*-netboot-arm64#/usr/lib/debian-installer/images/*/arm64/text/debian-installer/arm64/linux";
const program = (name: string) => new URL(`../../examples/guests/programs/${name}`, import.meta.url).pathname;
const DIRECTORY = "              - { path: /proc, directory: true }\n";

const debian = await debianBoard("virt-gicv3", [
  [
    DIRECTORY,
    `${DIRECTORY}              - { path: /vmlinuz, from: "${KERNEL}" }\n              - { path: /bin/kexec, from: ${program("kexec")} }\n`,
  ],
  ["append: console=ttyAMA0", "append: console=ttyAMA0 retain_initrd"],
]);
const withGicv2 = await debianBoard("virt-gicv2");
const ignore = debian.images === undefined;

async function shell(vcpus: number, pcpus = vcpus, board = debian, checksTables = true): Promise<Session> {
  const set = { "domains.0.vcpus": String(vcpus), pcpus: String(pcpus), ...vcpus > pcpus ? { "plugins.2.use": "scheduler_fair" } : {} };
  const guest = await Session.start(board.manifest, { images: board.images, set, checksTables });
  ready(guest);
  return guest;
}

function ready(guest: Session): void {
  guest.until("shell ready");
  guest.until("# ");
  assertEquals(guest.command("dmesg -n 1"), "");
}

/** Counts of an interrupt, by CPU. */
function interrupts(guest: Session, name: string): number[] {
  const line = guest.command("cat /proc/interrupts").split("\n").find((candidate) => candidate.includes(name));
  assert(line !== undefined, `/proc/interrupts has no ${name}`);
  return line.split(":")[1].trim().split(/\s+/).slice(0, guest.machine.domains[0].vcpus.length).map(Number);
}

Deno.test({
  name: "CPU hotplug: off and on again, 1,000 times",
  ignore,
  async fn() {
    using guest = await shell(3, 3, debian, false); // for speed; break_before_make_test.ts has CPUs go and come with it
    const loop = "i=0; while [ $i -lt 500 ]; do for c in 1 2; do o=/sys/devices/system/cpu/cpu$c/online; " +
      "echo 0 > $o && echo 1 > $o || echo trouble; done; i=$((i+1)); done; echo rounds $i";
    const calls = guest.machine.stats.exits.get("hvc")!;
    const told = guest.command(loop, { limitNs: 120e9 });
    assertEquals(told.split("\n").at(-1), "rounds 500"); // the terminal folds the long line that it echoes
    assertEquals(guest.command("nproc"), "3");
    // CPU_OFF, CPU_ON and AFFINITY_INFO for each.
    assert(guest.machine.stats.exits.get("hvc")! - calls >= 3000);
    assertEquals(guest.command("dmesg | grep -ciE 'BUG|WARNING|failed|stall'"), "0");
    assertEquals(guest.command("taskset 4 sh -c 'seq 1 100 | wc -l'"), "100");
  },
});

Deno.test({
  name: "tasks and interrupts move between CPUs: taskset, smp_affinity",
  ignore,
  async fn() {
    using guest = await shell(4, 2);
    for (const cpu of [3, 0, 2, 1]) {
      assertEquals(guest.command(`taskset ${(1 << cpu).toString(16)} sh -c 'cut -d" " -f39 /proc/self/stat'`), String(cpu));
    }
    const irq = guest.command("grep -l . /proc/irq/*/uart-pl011/../smp_affinity | cut -d/ -f4");
    assertMatch(irq, /^\d+$/);
    for (const cpu of [2, 0, 3]) {
      guest.command(`echo ${(1 << cpu).toString(16)} > /proc/irq/${irq}/smp_affinity`);
      const before = interrupts(guest, "uart-pl011");
      guest.command("echo typed and shown, so that the line interrupts");
      const grown = interrupts(guest, "uart-pl011").map((count, n) => count - before[n]);
      assert(grown[cpu] >= 10, `CPU ${cpu} took ${grown}`);
      assertEquals(grown.filter((count) => count > 0).length, 1, "and nobody else did");
    }
    const ticks = interrupts(guest, "arch_timer");
    assertEquals(ticks.length, 4);
    assert(ticks.every((count) => count > 5), String(ticks));
    assert(interrupts(guest, "Rescheduling interrupts").some((count) => count > 0));
    assertMatch(guest.command("grep Err: /proc/interrupts"), /^Err: +0$/);
  },
});

Deno.test({
  name: "reboot: the kernel asks, the machine starts over, three times",
  ignore,
  async fn() {
    using guest = await shell(2);
    for (let round = 1; round <= 3; round++) {
      assertEquals(guest.command("test -e /mark && echo old || echo new; echo x > /mark"), "new");
      guest.type("reboot -f\n");
      await guest.reboot();
      ready(guest);
      assertEquals(guest.machine.stats.reboots, round);
    }
    guest.type("poweroff -f\n");
    assertEquals(guest.finish().kind, "power-off");
  },
});

Deno.test({
  name: "kexec: a kernel starts another one, which finds all CPUs",
  ignore,
  async fn() {
    using guest = await shell(4);
    guest.type("kexec /vmlinuz 0x50000000\n");
    guest.until("Booting Linux on physical CPU 0x0000000000");
    guest.until("smp: Brought up 1 node, 4 CPUs");
    ready(guest);
    assertEquals(guest.command("nproc"), "4");
    assertMatch(guest.command("grep 'Kernel code' /proc/iomem"), /^\s*5[0-9a-f]{7}-/);
    assertEquals(guest.machine.stats.reboots, 0);
  },
});

for (const [gic, board] of [["GICv3", debian], ["GICv2", withGicv2]] as const) {
  Deno.test({
    name: `suspend to RAM on ${gic}: all CPUs go off, the clock's alarm wakes the system, again and again`,
    ignore,
    async fn() {
      using guest = await shell(4, 4, board);
      assertEquals(guest.command("cat /sys/power/mem_sleep"), "s2idle [deep]");
      for (let round = 1; round <= 5; round++) {
        const retired = guest.machine.stats.instructions;
        const before = guest.machine.nowNs;
        const alarm = "echo +3 > /sys/class/rtc/rtc0/wakealarm; echo mem > /sys/power/state; echo woken";
        assertMatch(guest.command(alarm), /woken$/);
        const slept = (guest.machine.nowNs - before) / 1e9;
        assert(slept > 1.9 && slept < 3.2, `${slept} s`);
        assert(guest.machine.stats.instructions - retired < 0.2e9, "it slept, and didn't spin");
        assertEquals(guest.command("cat /sys/power/suspend_stats/success 2>/dev/null || nproc").match(/^\d+$/)?.length, 1);
        assertEquals(guest.command("nproc"), "4");
      }
      guest.type("poweroff -f\n");
      assertEquals(guest.finish().kind, "power-off");
    },
  });
}
