import { assertEquals } from "@std/assert";
import { checkBoard } from "../core/mod.ts";
import { plugins } from "../plugins/mod.ts";

/** What the check says of a board with these plugins in its domain. */
async function findings(...uses: readonly string[]): Promise<string[]> {
  const text = `board: check
memory: [{ at: 0x4000_0000, size: 80MiB }]
plugins:
${["cpu_a64", "vmsa", "scheduler_null", "gicv3", "generic_timer", "psci"].map((name) => `  - use: ${name}`).join("\n")}
domains:
  - name: guest
    memory: [{ at: 0x4000_0000, size: 64MiB }]
    plugins:
${uses.map((use) => `      - { use: ${use} }`).join("\n")}
`;
  return (await checkBoard(text, "check.yaml", { plugins })).findings.map(({ title }) => title);
}

const disk = (options: string) => `virtio_blk, file: disk, runs: ioreq${options}`;

Deno.test("ioreq: mistakes that the check finds", async () => {
  assertEquals(await findings("ioreq", disk("")), []);
  const rows: [uses: string[], title: RegExp][] = [
    [[disk("")], /runs behind IOREQ, and nobody provides that/],
    [["ioreq", disk(", snapshot: true")], /can't keep a snapshot/],
    [["ioreq, on_failure: restart", disk(", format: qcow2")], /can't go on in a new Worker/],
    [["ioreq, frames: [{ at: 0x4000_0000, size: 65MiB }]"], /want a list of/],
    [["ioreq, frames: [{ at: 0x4000_0000, size: 0x410_0000 }]"], /0x40000000 are not all RAM/],
    [["ioreq, frames: [{ at: 0x4000_0001, size: 0x1000 }]"], /want a list of/],
    [["ioreq, frames: 5"], /want a list of/],
    [["ioreq, deadline: 0s"], /deadline/],
    [["ioreq, order: chaotic"], /chaotic/],
  ];
  for (const [uses, title] of rows) {
    const found = await findings(...uses);
    assertEquals([found.length, title.test(found[0])], [1, true], `${uses}: ${found.join("; ")}`);
  }
  assertEquals(await findings("ioreq", disk(", format: qcow2")), []);
});
