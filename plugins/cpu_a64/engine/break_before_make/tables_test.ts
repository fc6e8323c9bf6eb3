import { assert, assertEquals } from "@std/assert";
import { EL10 } from "./remembered.ts";
import { MOST_USES, TableFrames, type Use } from "./tables.ts";

function use(frames: TableFrames, number: number, vpn: number): [string, Use] {
  const frame = frames.watch(number * 4096, number * 4096);
  const place = { regime: EL10, vmid: 0, asid: 1, level: 3, bits: 12, granule: 12, table: number * 4096 } as const;
  return [`${vpn}`, { ...place, frame, vpn, parent: undefined, parentIndex: 0, isUpper: false }];
}

Deno.test("a table that is in endlessly many places is watched in the latest of them", () => {
  const frames = new TableFrames(() => new Uint32Array(64 * 1024), () => {}, 1 << 20);
  for (let vpn = 0; vpn < 3 * MOST_USES; vpn++) frames.keep(...use(frames, 5, vpn));
  const { uses } = frames.find(5 * 4096)!;
  assertEquals([uses.size, [...uses.keys()][0]], [MOST_USES, `${2 * MOST_USES}`]);
  // One that is known takes nobody's place.
  frames.keep(...use(frames, 5, 3 * MOST_USES - 1));
  assertEquals([uses.size, [...uses.keys()][0]], [MOST_USES, `${2 * MOST_USES}`]);
});

Deno.test("of endlessly many tables no more are watched than are remembered, and the one in hand always", () => {
  const limit = 40;
  const frames = new TableFrames(() => new Uint32Array(64 * 1024), () => {}, limit);
  for (let n = 0; n < 1000; n++) {
    const number = n % 60, [key, one] = use(frames, number, n);
    frames.keep(key, one);
    assertEquals(frames.find(number * 4096)!.uses.get(key), one);
    let uses = 0;
    for (let other = 0; other < 60; other++) uses += frames.find(other * 4096)?.uses.size ?? 0;
    assert(uses <= limit && frames.count <= limit, `${n}: ${uses} uses of ${frames.count} frames`);
  }
});
