/** The sequences, replayed write by write on a model of the registers, with checks after each. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { attributesOf } from "./attributes.ts";
import type { Region } from "./regions.ts";
import { change, replace } from "./slots.ts";
import type { Slot, Slots, Step } from "./slots.ts";
import { ModelMpu } from "./tests/model_mpu.ts";
import type { Decoded } from "./tests/model_mpu.ts";
import { randomBelow } from "../../tests/support/random.ts";

const SCTLR = 0x30c5_1835n;
const text = attributesOf({ read: true, write: false, execute: true, type: "normal-wb" }, "hypervisor");
const data = attributesOf({ read: true, write: true, execute: false, type: "normal-wb" }, "hypervisor");
const ram = attributesOf({ read: true, write: true, execute: true, type: "normal-wb" }, "guest");
const device = attributesOf({ read: true, write: true, execute: false, type: "device-ngnre" }, "guest");

const slot = (at: number, size: number, attributes: number, enabled = true): Slot => ({ at, size, attributes, enabled });

/** As the register file would show it. */
function decoded(slots: Slots): string[] {
  return slots.flatMap((region, index) => region?.enabled ? [describe(index, region)] : []);
}

function describe(index: number, { at, size, attributes }: Region): string {
  return `${index}: ${at}+${size} ${attributes}`;
}

/** Replays steps and checks the three rules after each write; returns what is enabled at the end. */
function replay(mpu: ModelMpu, steps: readonly Step[], running: readonly Region[], states: { before: Slots; after: Slots }): string[] {
  const text = ({ index, base, limit, flags, attrIndex }: Decoded) =>
    describe(index, { at: Number(base), size: Number(limit - base) + 1, attributes: Number(flags) | Number(attrIndex) << 6 });
  const before = new Set(decoded(states.before)), after = new Set(decoded(states.after));
  const moves = (index: number) => {
    const a = states.before[index], b = states.after[index];
    if (!a?.enabled || !b?.enabled || a.attributes !== b.attributes || (a.at === b.at && a.size === b.size)) return false;
    return a.at < b.at + b.size && b.at < a.at + a.size;
  };
  let selectorSynced = true;
  for (const step of steps) {
    if ("barrier" in step) {
      if (step.barrier === "isb") selectorSynced = true;
      continue;
    }
    if (step.register === "PRSELR_EL2") selectorSynced = false;
    else if (/^PR[BL]AR/.test(step.register)) assert(selectorSynced, `${step.register} right after PRSELR_EL2`);
    assert(mpu.write(step.register, step.value), step.register);
    if ((mpu.sctlr & 1n) === 0n) continue;
    const enabled = mpu.enabled;
    const sorted = enabled.toSorted((a, b) => a.base < b.base ? -1 : 1);
    for (let index = 1; index < sorted.length; index++) {
      assert(sorted[index].base > sorted[index - 1].limit, `${step.register}: ${sorted[index - 1].index} overlaps ${sorted[index].index}`);
    }
    for (const { at, size, attributes } of running) {
      const cover = enabled.find(({ base, limit }) => base <= BigInt(at) && limit >= BigInt(at + size - 1));
      assert(cover, `${step.register}: ${at}+${size} isn't mapped`);
      assertEquals(Number(cover.flags) | Number(cover.attrIndex) << 6, attributes);
    }
    for (const region of enabled) {
      assert(region.base <= region.limit, `${step.register}: region ${region.index} ends before it begins`);
      // A region that only moves its ends may be between the two; any other is the old one or the new one.
      assert(moves(region.index) || before.has(text(region)) || after.has(text(region)), `${step.register}: half of ${text(region)}`);
    }
    const settled = enabled.filter(({ index }) => !moves(index)).map(text);
    const isOld = settled.some((one) => before.has(one) && !after.has(one)),
      isNew = settled.some((one) => after.has(one) && !before.has(one));
    assert(!(isOld && isNew), `${step.register}: parts of both maps`);
  }
  return mpu.enabled.map(text);
}

/** An MPU that holds such regions, with its MPU on and any selector. */
function holding(slots: Slots, count: number, selector: bigint): ModelMpu {
  const mpu = new ModelMpu(count);
  for (const step of replace(slots, count, SCTLR)) if ("register" in step) mpu.write(step.register, step.value);
  assertEquals(mpu.enabled.length, decoded(slots).length);
  mpu.prselr = selector;
  return mpu;
}

const image: readonly Slot[] = [slot(0x1_0000, 0x4000, text), slot(0x2_0000, 0x8000, data)];

Deno.test("a guest's regions are exchanged for another's, beyond the 32 of PRENR, whatever the selector was", () => {
  const guest = (from: number, count: number, attributes: number) =>
    Array.from({ length: count }, (_, n) => slot(from + n * 0x2000, 0x1000, attributes));
  for (const [before, after] of [[3, 250], [250, 3], [40, 40], [0, 253], [253, 0], [33, 32]]) {
    const a = [...image, ...guest(0x100_0000, before, ram)], b = [...image, ...guest(0x100_0800, after, device)];
    for (const selector of [0n, 7n, 0xffn]) {
      assertEquals(replay(holding(a, 255, selector), change(a, b), image, { before: a, after: b }), decoded(b));
    }
  }
});

Deno.test("regions from 32 on are switched off by PRLAR: PRENR has no bit for them", () => {
  const a = [...image, ...Array.from({ length: 40 }, (_, n) => slot(0x100_0000 + n * 0x2000, 0x1000, ram))];
  const mpu = holding(a, 64, 0n);
  replay(mpu, change(a, image), image, { before: a, after: image });
  assertEquals(mpu.prlar.map((limit) => limit & 1n).lastIndexOf(1n), 1);
});

Deno.test("a region that is in use moves one end or both, and is mapped all the while", () => {
  const kept: Region = { at: 0x2_2000, size: 0x1000, attributes: data };
  for (const from of [0x2_0000, 0x2_1000, 0x2_2000]) {
    for (const to of [0x2_0000, 0x2_1000, 0x2_2000]) {
      for (const [endA, endB] of [[0x2_3000, 0x2_8000], [0x2_8000, 0x2_3000], [0x2_4000, 0x2_4000]]) {
        const a = [image[0], slot(from, endA - from, data), slot(endA, 0x1000, ram)];
        const b = [image[0], slot(to, endB - to, data), slot(endB, 0x1000, ram)];
        const result = replay(holding(a, 16, 3n), change(a, b), [image[0], kept], { before: a, after: b });
        assertEquals(result, decoded(b));
      }
    }
  }
});

Deno.test("the runtime map replaces the boot-time map with the MPU off; what the hardware held is gone", () => {
  const boot = [slot(0x1_0000, 0x4000, text), slot(0x1_4000, 0x2000, data), slot(0x1_6000, 0x1000, text), slot(0x1_7000, 0x9000, data)];
  const run = [slot(0x1_0000, 0x4000, text), slot(0x1_4000, 0x1000, data), slot(0x1_8000, 0x8000, data), slot(0x100_0000, 0x10_0000, ram)];
  const steps = replace(run, 48, SCTLR);
  const mpu = holding(boot, 48, 0x2an);
  const seen = new Set<string>();
  for (const step of steps) {
    if (!("register" in step)) continue;
    mpu.write(step.register, step.value);
    if ((mpu.sctlr & 1n) !== 0n) seen.add(mpu.enabled.map(({ base, limit }) => `${base}-${limit}`).join());
  }
  assertEquals(seen.size, 1);
  assertEquals(replay(holding(boot, 48, 0x2an), steps, [], { before: boot, after: run }), decoded(run));
  // From reset, where regions are UNKNOWN.
  assertEquals(replay(new ModelMpu(255), replace(run, 255, SCTLR), image.slice(0, 1), { before: [], after: run }), decoded(run));
});

Deno.test("nothing is written when nothing changes; what is equal isn't touched", () => {
  assertEquals(change(image, [...image]), []);
  const steps = change(image, [...image, slot(0x100_0000, 0x1000, ram, false)]);
  const writes = steps.flatMap((step) => "register" in step && /^PR[BL]AR/.test(step.register) ? [step.register] : []);
  assertEquals(writes, ["PRBAR2_EL2", "PRLAR2_EL2"]);
});

Deno.test("random maps change into random maps", () => {
  const random = randomBelow("slots");
  for (let round = 0; round < 150; round++) {
    const count = 8 + random(random(8) ? 32 : 248);
    const draw = () => {
      const slots: (Slot | undefined)[] = [...image];
      let at = 0x100_0000;
      for (let left = random(count - 2); left > 0; left--) {
        at += 64 * random(4);
        const size = 64 * (1 + random(5));
        slots.push(random(9) === 0 ? undefined : slot(at, size, random(2) ? ram : device, random(5) > 0));
        at += size;
      }
      return slots;
    };
    const a = draw(), b = draw();
    assertEquals(replay(holding(a, count, BigInt(random(256))), change(a, b), image, { before: a, after: b }), decoded(b));
  }
});

Deno.test("the replay notices a sequence that breaks a rule", () => {
  const a = [...image, slot(0x100_0000, 0x1000, ram)], b = [...image, slot(0x100_0800, 0x1000, device), slot(0x101_0000, 0x1000, ram)];
  const good = change(a, b);
  const run = (steps: readonly Step[]) => replay(holding(a, 16, 0n), steps, image, { before: a, after: b });
  assertEquals(run(good), decoded(b));
  const without = (drop: (step: Step, index: number) => boolean) => good.filter((step, index) => !drop(step, index));
  // The old region stays on while it is rewritten.
  const first = good.findIndex((step) => "register" in step && step.register === "PRENR_EL2");
  assertThrows(() => run(without((_, index) => index === first)));
  // Everything off at once: the running code as well.
  assertThrows(() => run(good.map((step, index) => index === first ? { register: "PRENR_EL2", value: 0n } : step)));
  // The selector isn't synchronised.
  assertThrows(() => run(without((step) => "barrier" in step)));
  // Limits before bases, and at once enabled.
  assertThrows(() => run([{ register: "PRSELR_EL2", value: 0n }, { barrier: "isb" }, { register: "PRLAR2_EL2", value: 0x100_17cfn }]));
});
