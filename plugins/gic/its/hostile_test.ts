/** A guest that writes anything anywhere: registers, its queue, its tables. Nothing throws, nothing else is touched, time is bounded. */
import { assert, assertEquals } from "@std/assert";
import {
  COLLECTION_TABLE,
  DEVICE_TABLE,
  encode,
  gicr,
  GITS,
  ItsDriver,
  ITTS,
  Op,
  QUEUE,
  RAM,
  RAM_SIZE,
} from "../../../tests/support/its_driver.ts";
import { Random } from "../../../tests/support/random.ts";
import { MessageInterrupts } from "../contract.ts";

Deno.test("its: every offset of both frames answers at every width, whatever is written", async () => {
  const driver = await ItsDriver.start(2, false);
  const { kit } = driver;
  const random = new Random("its registers");
  const { handler } = kit.scope.claims.window(GITS)!.value;
  for (let offset = 0; offset < 0x2_0000; offset++) {
    // Between registers a sample does.
    if (offset >= 0x200 && offset < 0xff80 && offset % 0x100 > 8 || offset >= 0x1_0100 && offset % 0x100 > 8) continue;
    for (const width of [1, 2, 4, 8]) {
      if (offset + width > 0x2_0000) continue;
      const all = 2n ** BigInt(8 * width) - 1n;
      for (const value of [all, random.u64() & all, 0n]) handler.write(offset, width, value, kit.vcpu(0));
      const value = BigInt(handler.read(offset, width, kit.vcpu(0)));
      assert(value >= 0n && value <= all, `${offset} ${width}: ${value}`);
      if (offset % width !== 0 || width < 4 || offset >= 0x1_0000) assertEquals(value, 0n, `${offset} ${width}`);
    }
  }
});

/** Entries that look like something. */
function randomEntry(random: Random): bigint {
  const valid = random.chance(0.8) ? 1n << 63n : 0n;
  switch (random.below(5)) {
    case 0:
      return valid | BigInt(ITTS + random.below(64) * 256) | BigInt(random.below(32)); // a device
    case 1:
      return valid | BigInt(random.below(20)) << 16n | BigInt(8192 + random.below(100)); // an event
    case 2:
      return valid | BigInt(random.below(5)); // a collection
    case 3:
      return valid | BigInt(RAM + RAM_SIZE - 8 * random.below(5)); // close to the end
    default:
      return random.u64();
  }
}

Deno.test("its: 100,000 random commands while the guest rewrites tables, queue and registers", async () => {
  const random = new Random("its hostile");
  const driver = await ItsDriver.start(3);
  const { kit } = driver;
  const view = new DataView(new ArrayBuffer(8));
  const poke = (at: number, value: bigint) => {
    view.setBigUint64(0, value, true);
    kit.domain.writeMemory(at, new Uint8Array(view.buffer));
  };
  const outside = () => kit.memory.view(kit.memory.banks[0].base, kit.memory.banks[0].size);
  // What isn't the guest's is full of a pattern.
  const guest = kit.domain.readMemory(RAM, RAM_SIZE).fill(0x5a);
  kit.domain.writeMemory(RAM, guest);
  const foreign = outside().slice();
  const own = foreign.map((byte) => byte === 0x5a ? 1 : 0);
  foreign.forEach((_, at) => own[at] === 0 && (outside()[at] = 0xc3));
  kit.domain.writeMemory(RAM, new Uint8Array(RAM_SIZE));

  const opcodes = Object.values(Op);
  const small = (limit: number) => random.chance(0.95) ? random.below(limit) : random.u32();
  let slowest = 0;
  for (let done = 0; done < 100_000;) {
    const count = 1 + random.below(random.chance(0.05) ? 2000 : 100);
    for (let n = 0; n < count; n++) {
      const at = QUEUE + random.below(2048) * 32;
      if (random.chance(0.05)) { for (let w = 0; w < 4; w++) poke(at + 8 * w, random.u64()); }
      else {
        kit.domain.writeMemory(
          at,
          encode({
            opcode: opcodes[random.below(opcodes.length)],
            device: small(10),
            event: small(40),
            intid: small(65_536),
            collection: random.below(6),
            target: small(4) % 2 ** 35,
            second: small(4) % 2 ** 35,
            valid: random.chance(0.9),
            table: ITTS + random.below(64) * 256,
            bits: 1 + random.below(20),
          }),
        );
      }
    }
    done += count;
    for (let n = random.below(8); n > 0; n--) {
      const table = [DEVICE_TABLE, COLLECTION_TABLE, ITTS][random.below(3)];
      poke(table + random.below(64) * 8, randomEntry(random));
    }
    const start = performance.now();
    switch (random.below(12)) {
      case 0: { // set-up registers, with the ITS off; now and then they are garbage
        kit.write32(GITS, 0);
        const offset = [0x80, 0x100, 0x108][random.below(3)];
        const address = BigInt([QUEUE, DEVICE_TABLE, COLLECTION_TABLE][[0x80, 0x100, 0x108].indexOf(offset)]);
        kit.write64(GITS + offset, random.chance(0.4) ? random.u64() : 1n << 63n | address | BigInt(random.below(16)));
        kit.write32(GITS, 1);
        break;
      }
      case 1: {
        const v = random.below(3);
        if (random.chance(0.5)) kit.write32(gicr(v), random.below(2));
        kit.write64(
          gicr(v) + [0x40, 0x48, 0x70, 0x78, 0xa0, 0xb0][random.below(6)],
          random.chance(0.5) ? random.u64() : BigInt(small(65_536)),
        );
        break;
      }
      case 2:
        kit.get(MessageInterrupts).write(small(10), GITS + 0x1_0040, small(40));
        break;
      default:
        kit.write32(GITS + 0x88, random.chance(0.97) ? random.below(2048) * 32 : random.u32());
    }
    slowest = Math.max(slowest, performance.now() - start);
    if (random.chance(0.5)) kit.advance(random.below(2_000_000));
  }
  const memory = outside();
  assertEquals(own.findIndex((mine, at) => mine === 0 && memory[at] !== 0xc3), -1, "a byte that isn't the guest's");
  assert(slowest < 1000, `a register write took ${slowest} ms`);
});

Deno.test("its: a queue full of the dearest commands doesn't hang the host: each look costs milliseconds, and virtual time pays", async () => {
  const driver = await ItsDriver.start(8);
  const { kit } = driver;
  driver.send({ opcode: Op.MAPC, collection: 0, target: 0 }, { opcode: Op.MAPC, collection: 1, target: 1 });
  // All LPIs pending, and two configuration tables that differ in every byte: INVALL by turns changes everything.
  const queue = RAM + 0x20_0000;
  const size = 0x10_0000;
  kit.domain.writeMemory(RAM + 0x3_0000, new Uint8Array(57_344).fill(0xa1));
  for (let v = 0; v < 8; v++) {
    kit.write32(gicr(v), 0);
    kit.write64(gicr(v) + 0x70, BigInt(v % 2 === 0 ? RAM + 0x3_0000 : RAM + 0x5_0000) | 15n);
    kit.domain.writeMemory(RAM + 0x10_0000 + v * 0x1_0000, new Uint8Array(8192).fill(0xff));
    kit.write32(gicr(v), 1);
  }
  kit.advance(2_000_000);
  kit.write32(GITS, 0);
  kit.write64(GITS + 0x80, 1n << 63n | BigInt(queue) | 255n);
  kit.write32(GITS, 1);
  const bytes = new Uint8Array(size);
  const dear = [
    { opcode: Op.INVALL, collection: 0 },
    { opcode: Op.INVALL, collection: 1 },
    { opcode: Op.MOVALL, target: 0, second: 1 },
    { opcode: Op.MOVALL, target: 1, second: 0 },
  ];
  for (let n = 0; n < size / 32; n++) bytes.set(encode(dear[n % 4]), 32 * n);
  kit.domain.writeMemory(queue, bytes);
  const start = performance.now();
  kit.write32(GITS + 0x88, size - 32);
  assert(performance.now() - start < 500, `${performance.now() - start} ms for the first look`);
  const from = kit.clock.nowNs;
  let slowest = 0;
  let commands = 0;
  while (performance.now() - start < 1000) {
    const look = performance.now();
    kit.advance(1_000_000);
    slowest = Math.max(slowest, performance.now() - look);
    commands = Number(kit.read64(GITS + 0x90)) / 32;
  }
  const ratio = (performance.now() - start) / ((kit.clock.nowNs - from) / 1e6);
  assert(commands > 20 && slowest < 1000, `${commands} commands, ${slowest} ms at worst`);
  assert(ratio < 20, `the host works ${ratio} times as long as virtual time lasts`);
});
