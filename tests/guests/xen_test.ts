/** Debian's kernel with its Xen front ends on xen_abi, and what three domains share on the board dom0less. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

/** One Debian on Xen's interface; its only UART is the Xen console. */
const xen = await debianBoard("debian-cloud", [
  [
    "      - use: pl011\n        at: 0x0900_0000\n        interrupt: spi 1\n        port: console\n",
    "      - use: xen_abi\n        port: console\n",
  ],
  ["  - use: psci\n", "  - use: event_channels\n  - use: grant_tables\n  - use: psci\n"],
  ["console=ttyAMA0", "console=hvc0"],
]);

/** An interrupt's counts, all CPUs together. */
function count(guest: Session, name: string): number {
  const line = guest.command("cat /proc/interrupts").split("\n").find((candidate) => candidate.includes(name));
  assert(line !== undefined, `/proc/interrupts has no ${name}`);
  return line.split(":")[1].trim().split(/\s+/).map(Number).filter((value) => !Number.isNaN(value)).reduce((sum, value) => sum + value);
}

Deno.test({
  name: "Debian finds Xen, works on its console by events, reboots by SCHEDOP_shutdown and leaves nothing behind",
  ignore: xen.images === undefined,
  async fn() {
    const shutdowns: string[] = [];
    const onTrace = (kind: string, detail: string) => void (kind === "SCHEDOP_shutdown" && shutdowns.push(detail));
    using guest = await Session.start(xen.manifest, { images: xen.images, onTrace, bootTimeSeconds: 1_900_000_000, wallLimitMs: 300_000 });
    const usage = () => [...guest.machine.memory.usage()].sort();
    const fresh = usage();
    for (
      const line of [
        "Xen 4.17 support found",
        "xen:grant_table: Grant tables using version 1 layout",
        "Grant table initialized",
        "xen:events: Using FIFO-based ABI",
        "Xen: initializing cpu0",
        "Xen: initializing cpu1",
        "xen:balloon: Initialising balloon driver",
        "shell ready",
        "# ",
      ]
    ) {
      guest.until(line);
    }
    assertEquals(guest.command("cat /sys/hypervisor/type"), "xen");
    assertEquals(guest.command("cat /sys/class/tty/console/active"), "hvc0");
    assertMatch(guest.command("cat /proc/interrupts"), /xen-dyn +Edge +-event +xenbus[^]*GICv3 +31 Level +events[^]*hvc_console/);
    // Both ways by events: every line that is typed, and every one that comes back.
    const [console, upcalls, store] = ["hvc_console", "events", "xenbus"].map((name) => count(guest, name));
    assert(store > 10, `${store} events of xenstore`);
    for (let n = 0; n < 5; n++) assertEquals(guest.command(`seq ${n} | wc -l`), String(n));
    assert(count(guest, "hvc_console") >= console + 10 && count(guest, "events") >= upcalls + 10);
    // Longer than the ring, at once: nothing is lost.
    const numbers = guest.command("seq 1 2000").split("\n").slice(-2000);
    assertEquals(numbers, Array.from({ length: 2000 }, (_, n) => String(n + 1)));
    assertEquals(guest.command("date -u +%Y-%m-%d"), "2030-03-17"); // Xen's wall clock: there is no other
    // A CPU that comes back has its events again.
    assertEquals(guest.command("echo 0 > /sys/devices/system/cpu/cpu1/online; nproc").split("\n").at(-1), "1");
    assertEquals(guest.command("echo 1 > /sys/devices/system/cpu/cpu1/online; nproc").split("\n").at(-1), "2");
    assertEquals(guest.command("taskset 2 echo from CPU 1"), "from CPU 1");
    guest.type("reboot -f\n");
    await guest.reboot();
    assertEquals(usage(), fresh);
    guest.until("Xen: initializing cpu1");
    assertEquals(shutdowns, ["linux/xen_abi: reason 1"]);
    assertEquals(guest.troubles, []);
    assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /failure|hypercall/.test(kind)), []);
  },
});

const dom0less = await debianBoard("dom0less");

Deno.test({
  name: "dom0less: a shared page and doorbells between Linux and bare metal, Xen's events between two Linuxes; one reboots, one goes",
  ignore: dom0less.images === undefined,
  async fn() {
    const traced: string[] = [];
    const onTrace = (kind: string, detail: string) => void traced.push(`${kind}: ${detail}`);
    using guest = await Session.start(dom0less.manifest, { images: dom0less.images, checksTables: false, onTrace, wallLimitMs: 300_000 });
    /** Runs until a console shows a text, from `from` on. */
    const until = (port: string, text: string, from = 0) => {
      const endNs = guest.machine.nowNs + 20e9;
      while (!guest.ports.get(port)?.slice(from).includes(text)) {
        assert(guest.machine.nowNs < endNs && guest.stopped === undefined, `${port}: no ${text}\n${guest.ports.get(port)?.slice(-1500)}`);
        guest.stopped = guest.machine.runFor(1e6, Infinity);
      }
    };
    const command = (port: string, line: string, answer: string) => {
      const from = guest.ports.get(port)!.length;
      guest.type(`${line}\n`, port);
      until(port, `\n${answer}`, from);
      until(port, "# ", from + line.length);
    };
    until("mailbox", "mailbox: ready");
    for (const name of ["linux1", "linux2"]) until(name, "poweroff -f ends it\r\n");
    for (const name of ["linux1", "linux2"]) until(name, "\n# ");

    // Linux to bare metal and back: text in the shared page, an event each way.
    command("linux1", "mail hello", "HELLO");
    command("linux2", "mail 'from two'", "FROM TWO");
    until("mailbox", "mailbox: port 1 says hello\r\nmailbox: port 2 says from two\r\n");

    // Linux to Linux, by Xen's event channels, which the policy allows.
    guest.type("evtchn offer 2\n", "linux1");
    until("linux1", "offered port ");
    until("linux1", "\n", guest.ports.get("linux1")!.lastIndexOf("offered port "));
    const offered = guest.ports.get("linux1")!.match(/offered port (\d+)/)![1];
    command("linux2", `evtchn ring 1 ${offered}`, "bound port ");
    until("linux1", `event at port ${offered}`);
    // Not with the mailbox, of which no rule speaks: EPERM.
    command("linux1", "evtchn offer 3; echo code $?", "code 1");
    assert(traced.some((line) => line.includes("event of linux1 with mailbox: refused")), traced.join("\n"));

    // One reboots; the others go on.
    const before = guest.ports.get("linux2")!.length;
    guest.type("reboot -f\n", "linux2");
    await guest.reboot();
    command("linux1", "mail again", "AGAIN");
    until("linux2", "Xen 4.17 support found", before);
    until("linux2", "poweroff -f ends it\r\n", before);
    until("linux2", "\n# ", guest.ports.get("linux2")!.lastIndexOf("ends it"));
    command("linux2", "mail back", "BACK");

    // They go one by one; what they shared goes with the last.
    guest.type("mail quit\n", "linux1");
    until("mailbox", "mailbox: closed");
    for (const name of ["linux1", "linux2"]) guest.type("poweroff -f\n", name);
    assertEquals(guest.finish().kind, "power-off");
    for (const name of ["linux1", "linux2"]) assert(traced.includes(`SCHEDOP_shutdown: ${name}/xen_abi: reason 0`), traced.join("\n"));
    const { machine } = guest;
    for (const domain of [...machine.domains]) machine.destroyDomain(domain);
    const left = [...machine.memory.usage().keys()].filter((owner) => /linux|mailbox/.test(owner));
    assertEquals(left, []);
    assertEquals(guest.troubles, []);
  },
});

const PAIR = "xen_pair.bin";
const pair = new Map([[PAIR, await Deno.readFile(new URL("../../examples/guests/xen_pair/xen_pair.bin", import.meta.url))]]);
/** Two guests of our own; `rules` are the policy's. */
const pairBoard = (rules: string) =>
  `board: xen-pair
memory: [{ at: 0x4000_0000, size: 64MiB }]
plugins:
  - { use: cpu_a64, model: cortex-a57 }
  - use: vmsa
  - use: scheduler_fair
  - use: gicv3
  - { use: psci, conduit: hvc }
  - use: event_channels
  - use: grant_tables
  - { use: domain_policy, rules: ${rules} }
domains:
${
    ["lender", "borrower"].map((name) =>
      `  - { name: ${name}, memory: [{ at: 0x4000_0000, size: 8MiB }], ` +
      `plugins: [{ use: xen_abi, port: ${name} }, { use: fdt }, { use: linux_boot, kernel: ${PAIR} }] }`
    ).join("\n")
  }
`;
const ALL = '[{ from: "*", to: "*", allow: [event, grant] }]';

Deno.test("two bare-metal guests: pages lent by grants, an event each way, a read-only grant stays so; 100 lives leave nothing", async () => {
  using guest = await Session.start(pairBoard(ALL), { images: pair });
  const { machine } = guest;
  const live = () => {
    assertEquals(guest.finish(1e9).kind, "power-off");
    assertEquals(guest.ports.get("lender"), "lender: written by two, for your eyes only\nlender: in use\n");
    // The store to the read-only page: a data abort, external, a write.
    const borrower = guest.ports.get("borrower")!;
    assertMatch(borrower, /^borrower: 14 and 18 characters\nborrower: answered\n\nFAIL unexpected exception: .*ESR_EL1 0x0*96000050/);
    assertMatch(borrower, /FAR_EL1 0x0*50001000\n$/);
    guest.ports.clear();
    guest.stopped = undefined;
  };
  live();
  // Whichever is built anew first: once with what the other still has of its old self, once without.
  const again = async (n: number) => {
    for (const name of n % 2 === 0 ? ["lender", "borrower"] : ["borrower", "lender"]) await machine.reboot(name);
  };
  await again(0);
  const usage = [...machine.memory.usage()].sort(), free = machine.memory.freeFrames;
  live();
  for (let n = 1; n <= 100; n++) {
    await again(n);
    assertEquals([[...machine.memory.usage()].sort(), machine.memory.freeFrames], [usage, free], `life ${n}`);
    live();
  }
  for (const domain of [...machine.domains]) machine.destroyDomain(domain);
  assertEquals([...machine.memory.usage().keys()].filter((owner) => /lender|borrower/.test(owner)), []);
});

Deno.test("the same guests under silo: nothing crosses, and each is told so", async () => {
  const traced: string[] = [];
  const onTrace = (kind: string, detail: string) => void traced.push(`${kind}: ${detail}`);
  using guest = await Session.start(pairBoard("[]"), { images: pair, onTrace });
  const endNs = 5e6;
  while (guest.machine.nowNs < endNs && guest.stopped === undefined) guest.stopped = guest.machine.runFor(1e6, Infinity);
  assertMatch(guest.ports.get("lender")!, /FAIL alloc_unbound: -1\n/);
  assert(traced.some((line) => line.includes("event of lender with borrower: refused")), traced.join("\n"));
  assertEquals(guest.ports.get("borrower"), undefined);
});
