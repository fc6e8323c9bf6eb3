/** SRAM in guests: what every memory type does, seen from inside; and Linux's sram driver on the platform of a real board. */
import { createHash } from "node:crypto";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { boot } from "../../mod.ts";
import { changed, debianBoard } from "./debian_images.ts";
import type { Changes } from "./debian_images.ts";
import { Session } from "./session.ts";

const root = new URL("../../", import.meta.url);
const BINARY = "../examples/guests/sram_probe/sram_probe.bin";
const probe = await Deno.readFile(new URL("examples/guests/sram_probe/sram_probe.bin", root));
const probeBoard = await Deno.readTextFile(new URL("boards/sram-probe.yaml", root));

/** Data abort without a change of level, a write, alignment fault; and an instruction abort, external. */
const ALIGNMENT = "96000061";
const NOT_EXECUTABLE = "86000010";

/** Stage 2 types in the order of their pages. */
const pages = [
  "normal-wb rwx",
  "normal-wt rwx",
  "normal-nc rwx",
  "normal-wb rw",
  "device-gre rw",
  "device-ngre rw",
  "device-ngnre rw",
  "device-ngnrne rw",
];
const stage1 = ["WB", "NC", "GRE", "nGnRnE"];

/** Device wins whichever stage says it. Arm ARM DDI 0487, "Combining stage 1 and stage 2 memory type attributes". */
function expectedRows(): string[] {
  return pages.flatMap((page) =>
    stage1.map((type) => {
      const isDevice = page.startsWith("device") || type === "GRE" || type === "nGnRnE";
      const strict = isDevice ? ALIGNMENT : "ok";
      // Aligned pairs and exclusives work on every type here: for exclusives to Device that is IMPLEMENTATION DEFINED.
      return [page, type, strict, "ok", "ok", strict, page.endsWith("x") ? "ok" : NOT_EXECUTABLE].join(" ");
    })
  );
}

const rowsOf = (console: string) =>
  console.replaceAll("\r", "").split("\n").filter((line) => /^(normal|device)-/.test(line)).map((line) => line.trim().replace(/ +/g, " "));

/** The same board with an MPU instead of page tables at EL2. */
const onMpu: Changes = [
  ["cortex-a57", "cortex-r82\n    mpu_regions: { el1: 32, el2: 32 }"],
  ["use: vmsa", "use: pmsa"],
  ["- use: pl011", "- use: pmsa_domain\n        el1: vmsa\n      - use: pl011"],
];

for (const [world, changes] of [["page tables", []], ["an MPU", onMpu]] as const) {
  Deno.test(`every memory type of both stages, the second by ${world}`, () => everyType(changed(probeBoard, changes)));
}

/** Unaligned stores, pairs, exclusives, DC ZVA and instruction fetches. */
async function everyType(board: string): Promise<void> {
  const events: string[] = [];
  const images = new Map([[BINARY, probe]]);
  using guest = await Session.start(board, { images, onTrace: (kind, detail) => events.push(`${kind}: ${detail}`) });
  assertEquals(guest.finish().kind, "power-off");
  assertEquals(rowsOf(guest.console), expectedRows());

  // Where stage 1 says Normal the fault is stage 2's, and EL2 tells of it; where stage 1 says Device, EL1 takes it alone.
  const conflicts = events.filter((event) => event.startsWith("attribute conflict"));
  const places = [4, 5, 6, 7].flatMap((page) => ["1", "100", "1", "100"].map((offset) => `0x1000_${page}${offset.padStart(3, "0")}`));
  assertEquals(conflicts.map((event) => /at IPA (0x[0-9a-f_]+)/.exec(event)?.[1]), places);
  for (const [index, event] of conflicts.entries()) {
    // A lower level's data abort, a write, an alignment fault; the store has its syndrome (8 bytes from X1), DC ZVA none.
    assertMatch(event, index % 2 === 0 ? /ESR_EL2 0x93c1_8061$/ : /ESR_EL2 0x9200_0061$/);
  }
}

Deno.test("another domain doesn't reach the SRAM", async () => {
  const other = /domains:\n([^]*)/.exec(probeBoard)![1].replace("name: probe", "name: other").replace("port: console", "port: other");
  const text = changed(probeBoard, [["{ at: 0x4000_0000, size: 32MiB }", "{ at: 0x4000_0000, size: 64MiB }"]])
    .replaceAll("permissions:", "domain: probe, permissions:") + other;
  const output = { console: "", other: "" };
  const decoder = new TextDecoder();
  const machine = await boot(text, {
    images: new Map([[BINARY, probe]]),
    onSerial: (port, bytes) => void (output[port as keyof typeof output] += decoder.decode(bytes)),
  });
  const stopped = machine.runFor(1e9, Infinity);
  machine.dispose();
  assertEquals(stopped?.kind, "power-off");
  assertEquals(rowsOf(output.console), expectedRows());
  // External aborts: where stage 1 finds an alignment fault that comes first.
  const foreign = (type: string) => {
    const strict = type === "GRE" || type === "nGnRnE" ? ALIGNMENT : "96000050";
    return `${strict} 96000050 96000010 96000050 ${NOT_EXECUTABLE}`;
  };
  assertEquals(rowsOf(output.other), pages.flatMap((page) => stage1.map((type) => `${page} ${type} ${foreign(type)}`)));
});

const DIRECTORY = "/sys/devices/platform/fffc0000.sram";
const SIZES = [
  1,
  2,
  3,
  4,
  5,
  7,
  8,
  9,
  15,
  16,
  17,
  31,
  33,
  63,
  64,
  65,
  127,
  1000,
  4095,
  4096,
  4097,
  8191,
  65_535,
  65_536,
  100_001,
  131_071,
  131_072,
];

/** A board's images, and a session with it; undefined where they can't be had. */
async function linux(changes: Changes): Promise<Session | undefined> {
  const { manifest, images } = await debianBoard("zcu102", changes);
  if (images === undefined) return undefined;
  const guest = await Session.start(manifest, { images });
  guest.until("shell ready");
  guest.until("\n# ");
  return guest;
}

/** Writes random bytes of every size and reads them back; answers with the sizes that differ. */
function roundTrips(guest: Session): string[] {
  // Short lines: the shell folds others at the terminal's width.
  guest.command(`cd ${DIRECTORY}`);
  guest.command("F=fffc0000.sram");
  guest.command("r() { head -c $1 /dev/urandom > /in; }");
  guest.command("w() { dd if=/in of=$F bs=128k 2> /dev/null; }");
  guest.command("c() { head -c $1 $F | cmp - /in && echo same; }");
  return SIZES.flatMap((size) => {
    const answer = guest.command(`r ${size}; w; c ${size}`);
    return answer === "same" ? [] : [`${size}: ${answer}`];
  });
}

Deno.test("Linux's sram driver on the ZCU102's platform: every size reads back as written, until a reboot scrubs it", async () => {
  using guest = await linux([]);
  if (guest === undefined) return;
  assertMatch(guest.command(`ls -s ${DIRECTORY}/*.sram`), /fffc0000\.sram\s[^]*fffe0000\.sram/);
  assertEquals(roundTrips(guest), []);
  assertEquals(guest.command(`printf mailbox > fffe0000.sram; head -c 7 fffe0000.sram; echo`), "mailbox");

  const inGuest = guest.command("md5sum < fffc0000.sram").split(" ")[0];
  const { memory } = guest.machine;
  const seen = createHash("md5").update(memory.view(0xfffc_0000, 0x2_0000).slice()).digest("hex");
  assertEquals(seen, inGuest, "what the guest reads is what lies in the physical memory");
  assertEquals(memory.ownerOf(0xfffc_0000)?.owner, "linux (sram@fffc0000)");
  const zeros = createHash("md5").update(new Uint8Array(0x2_0000)).digest("hex");
  assert(inGuest !== zeros);

  guest.type("reboot -f\n");
  await guest.reboot();
  guest.until("shell ready");
  guest.until("\n# ");
  assertEquals(guest.command(`md5sum < ${DIRECTORY}/fffc0000.sram`).split(" ")[0], zeros, "the next owner finds nothing");
});

Deno.test("no-memory-wc: Linux maps Device memory and uses it; content that is kept outlives a reboot", async () => {
  using guest = await linux([["        size: 256KiB\n", "        size: 256KiB\n        no_memory_wc: true\n        keep: true\n"]]);
  if (guest === undefined) return;
  const [linuxDomain] = guest.machine.domains;
  assertEquals(linuxDomain.space.lookup(0xfffc_0000)?.mapping, { read: true, write: true, execute: false, type: "device-ngnre" });
  assertEquals(roundTrips(guest), []);
  const before = guest.command(`md5sum < ${DIRECTORY}/fffc0000.sram`).split(" ")[0];
  guest.type("reboot -f\n");
  await guest.reboot();
  guest.until("shell ready");
  guest.until("\n# ");
  assertEquals(guest.command(`md5sum < ${DIRECTORY}/fffc0000.sram`).split(" ")[0], before);
  assertEquals(guest.machine.stats.traced.get("attribute conflict"), undefined, "Linux knows which accesses Device memory takes");
});
