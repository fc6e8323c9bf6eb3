import { assert, assertEquals } from "@std/assert";
import { bench } from "../../../core/testing.ts";
import { DEVICE_TABLE, FIRST_LPI, gicr, GITS, ItsDriver, ITTS, Op, PENDING, PROPERTIES, QUEUE } from "../../../tests/support/its_driver.ts";
import { MessageInterrupts } from "../contract.ts";
import { gicv3, its } from "../mod.ts";

const ENABLED = 0xa1;

/** Device 2, 8 bits of EventID, its event 20 to an LPI of vCPU 1 by collection 5. */
async function mapped(): Promise<ItsDriver> {
  const driver = await ItsDriver.start();
  driver.configure(8195, ENABLED);
  driver.send(
    { opcode: Op.MAPD, device: 2, table: ITTS, bits: 8 },
    { opcode: Op.MAPC, collection: 5, target: 1 },
    { opcode: Op.MAPTI, device: 2, event: 20, intid: 8195, collection: 5 },
    { opcode: Op.SYNC, target: 1 },
  );
  assertEquals(driver.faults, []);
  return driver;
}

Deno.test("its: what Linux probes: identification, what there is, tables that read back", async () => {
  const { kit } = await ItsDriver.start(2, false);
  assertEquals(kit.read32(GITS + 0xffe8) >>> 4, 3);
  assertEquals(kit.read32(GITS), 0x8000_0000); // Quiescent
  assertEquals(kit.read64(GITS + 8), 0x1_ef71n); // physical LPIs, entries of 8 bytes, 16 bits of both IDs, PTA 0
  assertEquals([kit.read32(0x0800_0004) >>> 17 & 1, kit.read32(0x0800_0004) >>> 19 & 31], [1, 15]);
  for (const v of [0, 1]) assertEquals(kit.read32(gicr(v) + 8) & 9, 9); // PLPIS, DirectLPI
  // Type, Entry_Size and 64 KiB pages; then as written, by any page size.
  assertEquals([0, 1, 2, 7].map((n) => kit.read64(GITS + 0x100 + 8 * n)), [0x0107_0000_0000_0200n, 0x0407_0000_0000_0200n, 0n, 0n]);
  const rows: [written: bigint, read: bigint][] = [
    [0xb8e0_0000_4003_0407n, 0xb9e7_0000_4003_0407n], // 4 KiB
    [0xc000_0000_4003_0507n, 0xc107_0000_4003_0507n], // 16 KiB, indirect
    [0x8000_0000_4003_0607n, 0x8107_0000_4003_0607n], // 64 KiB
    [0x8000_0000_4003_0707n, 0x8107_0000_4003_0607n], // reserved: as 64 KiB
    [2n ** 64n - 1n, 0xf9e7_ffff_ffff_feffn],
  ];
  for (const [written, read] of rows) {
    kit.write64(GITS + 0x100, written);
    assertEquals(kit.read64(GITS + 0x100), read);
  }
  kit.write64(GITS + 0x108, 2n ** 64n - 1n); // collections: no Indirect
  assertEquals(kit.read64(GITS + 0x108), 0xbce7_ffff_ffff_feffn);
  kit.write64(GITS + 0x80, 2n ** 64n - 1n);
  assertEquals(kit.read64(GITS + 0x80), 0xb8ef_ffff_ffff_fcffn);
  kit.write32(GITS + 0x84, 0);
  assertEquals([kit.read32(GITS + 0x80), kit.read32(GITS + 0x84)], [0xffff_fcff, 0]);
});

Deno.test("its: a redistributor's table registers read back, and keep still while LPIs are on", async () => {
  const { kit } = await ItsDriver.start(1, false);
  kit.write64(gicr(0) + 0x70, 2n ** 64n - 1n);
  assertEquals(kit.read64(gicr(0) + 0x70), 0x070f_ffff_ffff_ff9fn);
  kit.write64(gicr(0) + 0x78, 2n ** 64n - 1n);
  assertEquals(kit.read64(gicr(0) + 0x78), 0x070f_ffff_ffff_0f80n); // PTZ reads as zero
  kit.write64(gicr(0) + 0x78, BigInt(PENDING));
  kit.write64(gicr(0) + 0x70, BigInt(PROPERTIES) | 15n);
  assertEquals(kit.read32(gicr(0)), 6); // CES, IR
  kit.write32(gicr(0), 1);
  assertEquals(kit.read32(gicr(0)), 7);
  kit.write64(gicr(0) + 0x70, 0n);
  kit.write32(gicr(0) + 0x78, 0);
  assertEquals([kit.read64(gicr(0) + 0x70), kit.read32(gicr(0) + 0x78)], [BigInt(PROPERTIES) | 15n, PENDING]);
  kit.write32(gicr(0), 0);
  assertEquals(kit.read32(gicr(0)), 6);
});

Deno.test("its: without one there are no LPIs, in no register", async () => {
  const kit = bench({ interrupts: false });
  await kit.attach(gicv3, { distributor: 0x0800_0000, redistributors: 0x080a_0000, spis: 64 });
  assertEquals([kit.read32(0x0800_0004) >>> 17 & 1, kit.read32(0x0800_0004) >>> 19 & 31], [0, 9]);
  for (const offset of [0, 0x70, 0x78, 0x40, 0xa0, 0xb0, 0xc0]) {
    kit.write64(0x080a_0000 + offset, 2n ** 64n - 1n);
    assertEquals(kit.read64(0x080a_0000 + offset) & 0xffff_ffffn, 0n);
  }
  assertEquals(kit.read32(0x080a_0008) & 9, 0);
});

Deno.test("its: INT, a device's message and a CPU's make an LPI pending; CLEAR and DISCARD take it back", async () => {
  const driver = await mapped();
  const { kit } = driver;
  const clear = () => driver.send({ opcode: Op.CLEAR, device: 2, event: 20 });
  driver.send({ opcode: Op.INT, device: 2, event: 20 });
  assertEquals([0, 1, 2].map((v) => driver.listed(v)), [[], [8195], []]);
  assertEquals(kit.state(1).read("ICH_LR0_EL2") >> 48n, 0x50a0n); // pending, group 1, priority 0xa0
  clear();
  assertEquals(driver.listed(1), []);
  driver.message(2, 20);
  assertEquals(driver.listed(1), [8195]);
  driver.send({ opcode: Op.DISCARD, device: 2, event: 20 });
  assertEquals(driver.listed(1), []);
  driver.message(2, 20);
  assertEquals([driver.listed(1), driver.faults], [[], ["UNMAPPED_INTERRUPT: dropped; DeviceID 2, EventID 20"]]);
  // Device 0 is what a CPU writes as.
  driver.send({ opcode: Op.MAPD, device: 0, table: ITTS, bits: 8 }, { opcode: Op.MAPTI, device: 0, event: 7, intid: 8195, collection: 5 });
  kit.write32(GITS + 0x1_0040, 7);
  assertEquals(driver.listed(1), [8195]);
  driver.send({ opcode: Op.CLEAR, device: 0, event: 7 });
  assertEquals(driver.listed(1), []);
  kit.write16(GITS + 0x1_0040, 7);
  assertEquals(driver.listed(1), [8195]);
});

Deno.test("its: messages elsewhere than to GITS_TRANSLATER, or to an ITS that is off, are dropped", async () => {
  const driver = await mapped();
  const messages = driver.kit.get(MessageInterrupts);
  assertEquals([messages.at, messages.size], [GITS + 0x1_0000, 0x1_0000]);
  for (const at of [0, 0x40, 0x1_0000, 0x1_003c, 0x1_0044, 2 ** 40]) messages.write(2, GITS + at, 20);
  driver.kit.write32(GITS, 0);
  driver.message(2, 20);
  driver.kit.write32(GITS + 0x1_0040, 20);
  assertEquals([driver.listed(1), driver.kit.read32(GITS)], [[], 0x8000_0000]);
  driver.kit.write32(GITS, 1);
  driver.message(2, 20);
  assertEquals(driver.listed(1), [8195]);
});

Deno.test("its: configuration counts from INV or INVALL on, by command or by register", async () => {
  const driver = await mapped();
  const { kit } = driver;
  driver.configure(8195, 0xa0);
  driver.message(2, 20);
  assertEquals(driver.listed(1), [8195]);
  driver.send({ opcode: Op.INV, device: 2, event: 20 });
  assertEquals(driver.listed(1), []);
  driver.configure(8195, 0x61);
  driver.send({ opcode: Op.INVALL, collection: 5 });
  assertEquals(kit.state(1).read("ICH_LR0_EL2") >> 48n, 0x5060n);
  driver.configure(8195, 0);
  kit.write64(gicr(1) + 0xa0, 8195n); // INVLPIR
  assertEquals([driver.listed(1), kit.read32(gicr(1) + 0xc0)], [[], 0]);
  driver.configure(8195, 1);
  kit.write64(gicr(1) + 0xb0, 0n); // INVALLR: its turn may come later, SYNCR tells
  kit.advance(1_000_000);
  assertEquals([driver.listed(1), kit.read32(gicr(1) + 0xc0)], [[8195], 0]);
});

Deno.test("its: SETLPIR and CLRLPIR", async () => {
  const driver = await mapped();
  for (const intid of [0, 8191, 65536, 0xffff_ffff]) driver.kit.write64(gicr(1) + 0x40, BigInt(intid));
  driver.kit.write64(gicr(1) + 0x40, 8195n);
  assertEquals(driver.listed(1), [8195]);
  driver.kit.write64(gicr(1) + 0x48, 8195n);
  assertEquals(driver.listed(1), []);
});

Deno.test("its: MOVI, MOVALL and a collection that moves: pending goes along where the architecture says so", async () => {
  const driver = await mapped();
  driver.message(2, 20);
  driver.send({ opcode: Op.MAPC, collection: 6, target: 2 }, { opcode: Op.MOVI, device: 2, event: 20, collection: 6 });
  assertEquals([driver.listed(1), driver.listed(2)], [[], [8195]]);
  driver.send({ opcode: Op.MOVALL, target: 2, second: 0 });
  assertEquals([driver.listed(2), driver.listed(0)], [[], [8195]]);
  driver.send({ opcode: Op.MAPC, collection: 6, target: 1 }, { opcode: Op.INT, device: 2, event: 20 });
  assertEquals([driver.listed(0), driver.listed(1)], [[8195], [8195]]);
  driver.send({ opcode: Op.MOVALL, target: 0, second: 1 });
  assertEquals([driver.listed(0), driver.listed(1)], [[], [8195]]);
  assertEquals(driver.faults, []);
});

Deno.test("its: MAPI's INTID is its event", async () => {
  const driver = await ItsDriver.start();
  driver.configure(9000, ENABLED);
  driver.send(
    { opcode: Op.MAPD, device: 3, table: ITTS, bits: 16 },
    { opcode: Op.MAPC, collection: 0, target: 0 },
    { opcode: Op.MAPI, device: 3, event: 9000, collection: 0 },
    { opcode: Op.INT, device: 3, event: 9000 },
  );
  assertEquals([driver.listed(0), driver.faults], [[9000], []]);
});

Deno.test("its: indirect device tables", async () => {
  const driver = await mapped();
  const { kit } = driver;
  kit.write32(GITS, 0);
  kit.write64(GITS + 0x100, 3n << 62n | 2n << 8n | BigInt(DEVICE_TABLE));
  kit.write32(GITS, 1);
  driver.configure(8196, ENABLED);
  const map = () =>
    driver.send(
      { opcode: Op.MAPD, device: 0xfff8, table: ITTS, bits: 4 },
      { opcode: Op.MAPTI, device: 0xfff8, event: 3, intid: 8196, collection: 5 },
    );
  map();
  assertEquals(driver.faults, [
    "MAPD_DEVICE_OOR: ignored; DeviceID 65528, EventID 3", // EventID: MAPD's size is in its place
    "MAPTI_UNMAPPED_DEVICE: ignored; DeviceID 65528, EventID 3",
  ]);
  // 8,192 devices to a page.
  const page = new Uint8Array(8);
  new DataView(page.buffer).setBigUint64(0, 1n << 63n | BigInt(ITTS + 0x1_0000), true);
  kit.domain.writeMemory(DEVICE_TABLE + 7 * 8, page);
  map();
  driver.message(0xfff8, 3);
  assertEquals([driver.listed(1), driver.faults.length], [[8196], 2]);
});

const wrong: [name: string, command: Parameters<ItsDriver["send"]>[0], fault: string][] = [
  ["a device beyond the table", { opcode: Op.MAPD, device: 8192, table: ITTS, bits: 4 }, "MAPD_DEVICE_OOR"],
  ["a device whose number only looks small", { opcode: Op.MAPD, device: 0xffff_ffff, table: ITTS, bits: 4 }, "MAPD_DEVICE_OOR"],
  ["too many bits", { opcode: Op.MAPD, device: 2, table: ITTS, bits: 17 }, "MAPD_ITTSIZE_OOR"],
  ["a collection beyond the table", { opcode: Op.MAPC, collection: 8192, target: 0 }, "MAPC_COLLECTION_OOR"],
  ["a vCPU that isn't there", { opcode: Op.MAPC, collection: 1, target: 3 }, "MAPC_PROCNUM_OOR"],
  ["an unmapped device", { opcode: Op.MAPTI, device: 3, event: 1, intid: 8200, collection: 5 }, "MAPTI_UNMAPPED_DEVICE"],
  ["an event beyond the device's", { opcode: Op.MAPTI, device: 2, event: 256, intid: 8200, collection: 5 }, "MAPTI_ID_OOR"],
  ["an INTID that is no LPI", { opcode: Op.MAPTI, device: 2, event: 1, intid: 8191, collection: 5 }, "MAPTI_PHYSICALID_OOR"],
  ["an INTID of 17 bits", { opcode: Op.MAPTI, device: 2, event: 1, intid: 65536, collection: 5 }, "MAPTI_PHYSICALID_OOR"],
  ["MAPI with an event that is no LPI", { opcode: Op.MAPI, device: 2, event: 20, collection: 5 }, "MAPI_PHYSICALID_OOR"],
  [
    "MAPTI to a collection beyond the table",
    { opcode: Op.MAPTI, device: 2, event: 1, intid: 8200, collection: 0xffff },
    "MAPTI_COLLECTION_OOR",
  ],
  ["an unmapped event", { opcode: Op.INT, device: 2, event: 21 }, "INT_UNMAPPED_INTERRUPT"],
  ["MOVI to an unmapped collection", { opcode: Op.MOVI, device: 2, event: 20, collection: 9 }, "MOVI_UNMAPPED_COLLECTION"],
  ["INVALL of an unmapped collection", { opcode: Op.INVALL, collection: 9 }, "INVALL_UNMAPPED_COLLECTION"],
  ["MOVALL from nowhere", { opcode: Op.MOVALL, target: 3, second: 0 }, "MOVALL_PROCNUM_OOR"],
  ["MOVALL to nowhere", { opcode: Op.MOVALL, target: 0, second: 2 ** 34 }, "MOVALL_PROCNUM_OOR"],
  ["SYNC with nobody", { opcode: Op.SYNC, target: 3 }, "SYNC_PROCNUM_OOR"],
  ["a command of another architecture", { opcode: 0x2a }, "42_UNKNOWN_COMMAND"],
];
for (const [name, command, fault] of wrong) {
  Deno.test(`its: ${name} is ignored, and the queue goes on`, async () => {
    const driver = await mapped();
    driver.send(command, { opcode: Op.INT, device: 2, event: 20 });
    assertEquals([driver.faults.map((line) => line.split(":")[0]), driver.listed(1)], [[fault], [8195]]);
  });
}

Deno.test("its: a guest that changes its tables gets what they say, within limits", async () => {
  const driver = await mapped();
  const { kit } = driver;
  const entry = (at: number, value: bigint) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    kit.domain.writeMemory(at, bytes);
  };
  const faultOf = () => {
    const before = driver.faults.length;
    driver.message(2, 20);
    return driver.faults.slice(before).map((line) => line.split(":")[0]);
  };
  entry(ITTS + 20 * 8, 1n << 63n | 5n << 16n | 100n); // no LPI
  assertEquals(faultOf(), ["UNMAPPED_INTERRUPT"]);
  entry(ITTS + 20 * 8, 1n << 63n | 0xffffn << 16n | 8195n);
  assertEquals(faultOf(), ["COLLECTION_OOR"]);
  entry(DEVICE_TABLE + 2 * 8, 1n << 63n | 0xf_ffff_ffff_ff00n | 7n); // the table beyond all memory
  assertEquals(faultOf(), ["UNMAPPED_INTERRUPT"]);
  entry(DEVICE_TABLE + 2 * 8, 1n << 63n | BigInt(ITTS) | 31n);
  assertEquals(faultOf(), ["ITTSIZE_OOR"]);
  assertEquals(driver.listed(1), []);
});

Deno.test("its: commands wait while the ITS is off, and a queue that isn't memory ends", async () => {
  const driver = await mapped();
  const { kit } = driver;
  kit.write32(GITS, 0);
  const done = kit.read64(GITS + 0x90);
  kit.domain.writeMemory(QUEUE + driver.write, new Uint8Array(32).fill(0xff));
  kit.write64(GITS + 0x88, BigInt(driver.write + 32));
  kit.advance(1e9);
  assertEquals(kit.read64(GITS + 0x90), done);
  kit.write32(GITS, 1);
  assertEquals(kit.read64(GITS + 0x90), done + 32n);
  kit.write32(GITS, 0);
  kit.write64(GITS + 0x80, 1n << 63n | 0x7000_0000n | 0xffn);
  assertEquals(kit.read64(GITS + 0x90), 0n);
  kit.write64(GITS + 0x88, 0xf_ffe1n);
  kit.write32(GITS, 1);
  assertEquals([kit.read64(GITS + 0x90), kit.read64(GITS + 0x88)], [0xf_ffe0n, 0xf_ffe0n]);
});

Deno.test("its: GITS_CWRITER outside the queue does nothing, for ever", async () => {
  const driver = await mapped();
  const done = driver.kit.read64(GITS + 0x90);
  driver.kit.write64(GITS + 0x88, 0xf_ffe0n);
  driver.kit.advance(1e9);
  assertEquals(driver.kit.read64(GITS + 0x90), done);
  driver.send({ opcode: Op.INT, device: 2, event: 20 });
  assertEquals(driver.listed(1), [8195]);
});

Deno.test("its: pending LPIs go to memory when a redistributor's are turned off, and come back", async () => {
  const driver = await mapped();
  const { kit } = driver;
  driver.message(2, 20);
  kit.write32(gicr(1), 0);
  assertEquals(driver.listed(1), []);
  assertEquals(kit.domain.readMemory(PENDING + 0x1_0000 + 1024, 2), Uint8Array.of(1 << 3, 0));
  driver.message(2, 20); // nobody takes it
  kit.domain.writeMemory(PENDING + 0x1_0000 + 1024, Uint8Array.of(0, 1));
  driver.configure(8200, ENABLED);
  kit.write32(gicr(1), 1);
  kit.advance(1_000_000); // tables are read once in a millisecond
  assertEquals(driver.listed(1), [8200]);
  kit.write32(gicr(1), 0);
  kit.write64(gicr(1) + 0x78, 1n << 62n | BigInt(PENDING + 0x1_0000)); // PTZ
  kit.write32(gicr(1), 1);
  kit.advance(1_000_000);
  assertEquals(driver.listed(1), []);
});

Deno.test("its: turned off while INVALLR waits for its turn: what is pending is written back all the same", async () => {
  const driver = await mapped();
  driver.message(2, 20);
  for (let n = 0; n < 3; n++) driver.kit.write64(gicr(1) + 0xb0, 0n);
  assertEquals(driver.kit.read32(gicr(1) + 0xc0), 1);
  driver.kit.write32(gicr(1), 0);
  assertEquals([driver.kit.read32(gicr(1) + 0xc0), driver.kit.domain.readMemory(PENDING + 0x1_0000 + 1024, 1)[0]], [0, 1 << 3]);
});

Deno.test("its: IDbits of GICR_PROPBASER limits LPIs; fewer than 14 bits leave none", async () => {
  for (const [bits, first, beyond] of [[13, 16383, 16384], [14, 32767, 32768], [12, 0, 8192], [31, 65535, 65536]]) {
    const driver = await ItsDriver.start(1);
    const { kit } = driver;
    kit.write32(gicr(0), 0);
    kit.write64(gicr(0) + 0x70, BigInt(PROPERTIES) | BigInt(bits));
    for (const intid of [first, beyond]) if (intid >= FIRST_LPI && intid < 65536) driver.configure(intid, ENABLED);
    kit.write32(gicr(0), 1);
    kit.advance(1_000_000);
    for (const intid of [first, beyond]) kit.write64(gicr(0) + 0x40, BigInt(intid));
    assertEquals(driver.listed(0), first === 0 ? [] : [first]);
  }
});

Deno.test("its: its node lies below the controller's, with the label that message users name", () => {
  const { board } = bench();
  const resources = its.resources!({ at: GITS }, { board, domain: board.domains[0] });
  assertEquals(resources.windows, [{ name: "its", at: GITS, size: 0x2_0000 }]);
  const [{ nodes }] = resources.deviceTree!;
  assertEquals([nodes![0].name, nodes![0].label], ["its@8080000", "msi"]);
  assert("msi-controller" in nodes![0].properties);
  assertEquals(its.resources!({ at: GITS }, { board }), {});
});
