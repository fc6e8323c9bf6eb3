/**
 * Random operations on a stage 2, against a model of pages: what it maps, how many frames its tables have, and how many references each
 * frame of RAM has. The engine's own walker agrees on samples. `PLUGBOARD_VMSA_OPERATIONS` sets how many.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Mapping } from "../../core/mod.ts";
import { ownerOf } from "./frames.ts";
import { countTables, MIB, PAGE, rwx, types, World } from "./tests/world.ts";
import { randomBelow } from "../../tests/support/random.ts";

const OPERATIONS = Number(Deno.env.get("PLUGBOARD_VMSA_OPERATIONS") ?? 20_000);
/** Operations between two looks at everything. */
const LOOK = 5000;
/** Pages of the IPA space that are used: 16 MiB, so that blocks come and go. */
const PAGES = 4096;
const OWNED = { at: 2 ** 40, size: 16 * MIB };
const all: readonly Mapping[] = Object.values(types).flatMap((type) => [{ ...rwx, type }, { ...rwx, write: false, type }]);

for (const [seed, name, forceWriteBack] of [[1, "combining", false], [2, "forcing Write-Back", true]] as const) {
  Deno.test(`${OPERATIONS} random operations, ${name}: tables, walks, references and frames agree with a model`, () => {
    const below = randomBelow(`stage 2 ${seed}`);
    const world = new World({ other: OWNED, forceWriteBack, tableFrames: 7 });
    world.memory.allocateAt("guest", OWNED.at, OWNED.size);
    const free = world.memory.freeFrames;
    const space = world.space(36);
    /** By page: PA as a page number and the mapping's number, or -1. */
    const frames = new Int32Array(PAGES).fill(-1), mappings = new Uint8Array(PAGES);
    const references = new Int32Array(OWNED.size / PAGE);
    const base = OWNED.at / PAGE;
    /** What happened, so that a test that always fails to map proves nothing. */
    const outcomes = { done: 0, refused: 0, noFrames: 0, merged: 0 };
    for (let step = 0; step < OPERATIONS; step++) {
      const isLarge = below(4) === 0;
      const count = isLarge ? 512 * (1 + below(3)) : 1 + below(40);
      const first = isLarge && below(4) > 0 ? 512 * below(8) : below(PAGES);
      const end = first + count;
      const context = () => `seed ${seed}, step ${step}: page ${first}, ${count} pages`;
      const inside = (test: (page: number) => boolean) => {
        for (let page = first; page < end; page++) if (!test(page)) return false;
        return true;
      };
      // What fails for want of table frames, or as it should, changes nothing: the model stays.
      let fits = end <= PAGES;
      const attempt = (operation: () => void): boolean => {
        try {
          operation();
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          const isLimit = error.message.includes("have 7 frames");
          if (fits && !isLimit) throw new Error(context(), { cause: error });
          outcomes[isLimit ? "noFrames" : "refused"]++;
          return false;
        }
        if (!fits) throw new Error(`${context()}: done, and shouldn't be`);
        outcomes.done++;
        return true;
      };
      switch (below(4)) {
        case 0: {
          const frame = below(2) === 0 ? first % 4096 : below(4096 + 200) - 100;
          const which = below(all.length);
          fits &&= inside((page) => frames[page] < 0);
          if (end > PAGES) break;
          if (!attempt(() => space.map(first * PAGE, (base + frame) * PAGE, count * PAGE, all[which]))) break;
          for (let n = 0; n < count; n++) {
            frames[first + n] = frame + n + 1000;
            mappings[first + n] = which;
            if (frame + n >= 0 && frame + n < references.length) references[frame + n]++;
          }
          break;
        }
        case 1:
          if (end > PAGES || !attempt(() => space.unmap(first * PAGE, count * PAGE))) break;
          for (let page = first; page < end; page++) {
            const frame = frames[page] - 1000;
            if (frames[page] >= 0 && frame >= 0 && frame < references.length) references[frame]--;
            frames[page] = -1;
          }
          break;
        case 2: {
          const which = below(all.length);
          fits &&= inside((page) => frames[page] >= 0);
          if (end > PAGES || !attempt(() => space.change(first * PAGE, count * PAGE, all[which]))) break;
          mappings.fill(which, first, end);
          break;
        }
        default:
          // Blocks that were divided, and are whole again.
          fits = true;
          for (let page = 0; isLarge && page < PAGES; page += 512) {
            if (frames[page] < 0) continue;
            const which = mappings[page];
            for (const each of [(which + 1) % all.length, which]) attempt(() => space.change(page * PAGE, PAGE, all[each]));
          }
          outcomes.merged += space.merge(isLarge ? 0 : first * PAGE, (isLarge ? PAGES : Math.min(count, PAGES - first)) * PAGE);
      }
      const look = (page: number) => {
        const pa = (base + frames[page] - 1000) * PAGE;
        const want = frames[page] < 0 ? undefined : { pa, mapping: all[mappings[page]] };
        assertEquals(space.lookup(page * PAGE), want, context());
        if (forceWriteBack && want?.mapping.type === "normal-wt") return;
        assertEquals(world.walk(page * PAGE), want, context());
      };
      if (step % 16 === 0) [first, Math.min(end, PAGES) - 1, below(PAGES)].forEach(look);
      if (step % LOOK !== 0) continue;
      for (let page = 0; page < PAGES; page++) look(page);
      references.forEach((count, n) => assertEquals(world.memory.ownerOf(OWNED.at + n * PAGE)?.references, 1 + count, context()));
      assertEquals(world.memory.usage().get(ownerOf("guest")), countTables(world, space), context());
      const lowest = frames.findIndex((frame) => frame >= 0), highest = frames.findLastIndex((frame) => frame >= 0);
      assertEquals(space.bounds(), lowest < 0 ? undefined : { lowest: lowest * PAGE, highest: (highest + 1) * PAGE - 1 });
    }
    for (const [outcome, count] of Object.entries(outcomes)) assert(count > Math.min(OPERATIONS / 5000, 100), `${count} times ${outcome}`);
    space.destroy();
    assertEquals([...world.memory.usage()], [["guest", OWNED.size / PAGE]]);
    assertEquals(world.memory.freeFrames, free);
    for (let pa = OWNED.at; pa < OWNED.at + OWNED.size; pa += PAGE) assertEquals(world.memory.ownerOf(pa)?.references, 1);
    assertThrows(() => space.unmap(0, PAGE), Error, "destroyed");
  });
}
