import { assert, assertEquals, assertRejects } from "@std/assert";
import { checkBoard, Machine } from "../mod.ts";
import type { Board, DomainSpec } from "../mod.ts";
import { fakeBoard, startFirst } from "../testing.ts";
import { colourOf, parseColours } from "./cache_colours.ts";

const MIB = 2 ** 20;

function coloured(domains: readonly Partial<DomainSpec>[], directMapOnly = false): Board {
  const named = domains.map((domain, index) => ({ name: `d${index}`, ...domain }));
  const { board } = fakeBoard({ plugins: [startFirst], domains: named, memory: [{ at: 0x4000_0000, size: 16 * MIB }], directMapOnly });
  return { ...board, cacheColours: 8 };
}
const create = (board: Board) => Machine.create(board, { images: new Map(), onSerial: () => {} });

/** Colours of the frames that an owner has. */
function coloursOwned(machine: Machine, owner: string): number[] {
  const found = new Set<number>();
  for (const { base, size } of machine.memory.banks) {
    for (let pa = base; pa < base + size; pa += 4096) if (machine.memory.ownerOf(pa)?.owner === owner) found.add(colourOf(pa, 8));
  }
  return [...found].sort();
}

Deno.test("cache colours: each domain's RAM has its own, whoever comes when, what it gives back and takes again too", async () => {
  const board = coloured([{ cacheColours: [0, 1, 2] }, { cacheColours: [5] }, {}]);
  const machine = await create(board);
  const expected = [["d0", [0, 1, 2]], ["d1", [5]], ["d2", [3, 4, 6, 7]]];
  const seen = () => machine.domains.map(({ name }) => [name, coloursOwned(machine, name)]).sort();
  assertEquals(seen(), expected);
  const [first] = machine.domains;
  const { at } = first.ram[0];
  first.writeMemory(at, new Uint8Array(MIB).map((_, n) => n * 7));
  assertEquals(first.readMemory(at, MIB), new Uint8Array(MIB).map((_, n) => n * 7));
  assert(first.giveBack(at + 0x1_0000, 0x8_0000));
  machine.memory.allocate("somebody", 4);
  assert(first.takeBack(at + 0x1_0000, 0x8_0000));
  assertEquals(first.readMemory(at + 0x1_0000, 0x8_0000), new Uint8Array(0x8_0000));
  for (const name of ["d1", "d0", "d2"]) await machine.reboot(name);
  assertEquals(seen(), expected);
  const free = machine.memory.freeFrames;
  machine.destroyDomain(machine.domains.find(({ name }) => name === "d1")!);
  // All of a colour: 2 MiB of 16.
  const all = { ...board.domains[1], memory: [{ at: 0x4000_0000, size: 2 * MIB }] };
  await assertRejects(() => machine.createDomain({ ...all, memory: [{ at: 0x4000_0000, size: 2 * MIB + 4096 }] }), Error, "M0409");
  const full = await machine.createDomain({ ...all, memory: [{ at: 0x4000_0000, size: 2 * MIB - 0x2_0000 }] });
  assertEquals(coloursOwned(machine, "d1"), [5]);
  machine.destroyDomain(full);
  machine.memory.allocate("somebody", 6);
  await assertRejects(() => machine.createDomain(all), Error, "then no frame of its 1 cache colours was free");
  await machine.createDomain(board.domains[1]);
  assertEquals(machine.memory.freeFrames, free - 64);
  machine.dispose();
});

Deno.test("cache colours need translation", async () => {
  await assertRejects(() => create(coloured([{ cacheColours: [0] }], true)), Error, "must be put together by translation");
});

Deno.test("cache colours: what the check finds", async () => {
  const codes = async (top: string, ...domains: string[]) => {
    const text = `${top}\nboard: b\nmemory: 16MiB\ndomains:\n${
      domains.map((domain, n) => `  - { name: d${n}, memory: 1MiB${domain} }\n`).join("")
    }`;
    const { findings } = await checkBoard(text, "board.yaml", { plugins: [] });
    return findings.filter(({ code }) => code !== "M0302").map(({ code, spans: [span] }) => `${code} ${span.line}`);
  };
  assertEquals(await codes("cacheColours: 8", ', cacheColours: "0-3"', ", cacheColours: 5", ""), []);
  assertEquals(await codes("cacheColours: 6", ""), ["M0107 1"]);
  assertEquals(await codes("cacheColours: 8", ', cacheColours: "3,1"'), ["M0107 5"]);
  assertEquals(await codes("cacheColours: 8", ", cacheColours: 8"), ["M0409 5"]);
  assertEquals(await codes("seed: 1", ", cacheColours: 1"), ["M0409 5"]);
  assertEquals(await codes("cacheColours: 8", ", cacheColours: 0-1", ', cacheColours: "1,2"'), ["M0410 6"]);
  assertEquals(await codes("cacheColours: 32", ", cacheColours: 0"), ["M0409 5"], "1 MiB of 512 KiB");
  assertEquals([parseColours("0-2,7"), parseColours(3), parseColours("2-1"), parseColours("1,1"), parseColours("x")], [
    [0, 1, 2, 7],
    [3],
    undefined,
    undefined,
    undefined,
  ]);
});
