/** Device-model operations as bytes: layouts, refusals, and anything at all. */
import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import { Buffering } from "./buffered.ts";
import { DeviceModels, DM_OP_BYTES, dmOp, errno } from "./contract.ts";
import type { DeviceModelOperations } from "./contract.ts";
import { ioreq } from "./mod.ts";
import { randomBelow } from "../../tests/support/random.ts";

async function operations(): Promise<{ by(owner: string): DeviceModelOperations; level(irq: number): boolean; models: DeviceModels }> {
  const kit = bench({ vcpus: 2 });
  await kit.attach(ioreq, { on_failure: "bus_error", order: "strict", deadline: 2e9, virtual_deadline: 1e9, buffered: false });
  const models = kit.get(DeviceModels);
  const make = () => ({
    backend: { notify() {}, lied() {} },
    pages: { buffer: new SharedArrayBuffer(8192), sync: 0, buffered: 4096 },
  });
  return { models, by: (owner) => models.operations(owner, make), level: (irq) => kit.interrupts.level(irq) };
}

/** An operation: number, padding, then fields as [offset, size, value]. */
function op(number: number, fields: readonly (readonly [at: number, size: number, value: number | bigint])[] = [], pad = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(DM_OP_BYTES));
  view.setUint32(0, number, true);
  view.setUint32(4, pad, true);
  for (const [at, size, value] of fields) {
    for (let n = 0; n < size; n++) view.setUint8(8 + at + n, Number(BigInt(value) >> BigInt(8 * n) & 0xffn));
  }
  return new Uint8Array(view.buffer);
}

const u32 = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer).getUint32(8 + at, true);

Deno.test("dm_op: a device model's life, as bytes", async () => {
  const { by, level, models } = await operations();
  const call = (bytes: Uint8Array) => dmOp([bytes], by("dom1"));
  const vcpus = op(20);
  assertEquals([call(vcpus), u32(vcpus, 0)], [0, 2]);
  const create = op(1);
  assertEquals([call(create), u32(create, 4) & 0xffff], [0, 0]);
  const info = op(2, [[0, 2, 0], [2, 2, 1], [4, 4, 0xffff_ffff], [8, 8, -1], [16, 8, -1]]);
  assertEquals([call(info), u32(info, 4), u32(info, 8), u32(info, 20)], [0, 0, 0, 0], "outputs are written, whatever was there");
  const range = [[4, 4, 1], [8, 8, 0x0200_0000n], [16, 8, 0x0200_01ffn]] as const;
  assertEquals([call(op(3, range)), call(op(5, [[2, 1, 1]]))], [0, 0]);
  assertEquals(models.servers.select(1, 0x0200_0100, 4)?.server.id, 0);
  assertEquals([call(op(19, [[0, 4, 33], [4, 1, 1]])), level(33)], [0, true]);
  assertEquals([call(op(19, [[0, 4, 33], [4, 1, 0]])), level(33)], [0, false]);
  assertEquals([call(op(4, range)), call(op(6)), models.servers.all.length], [0, 0, 0]);
});

Deno.test("dm_op: what is refused, and how", async () => {
  const { by } = await operations();
  const rows: [name: string, bytes: Uint8Array, error: keyof typeof errno][] = [
    ["padding of the head", op(20, [], 1), "EINVAL"],
    ["operation 0", op(0), "EOPNOTSUPP"],
    ...[7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 21, 0xffff_ffff].map((
      number,
    ): [string, Uint8Array, "EOPNOTSUPP"] => [`operation ${number}`, op(number), "EOPNOTSUPP"]),
    ["a ring", op(1, [[0, 1, Buffering.ATOMIC]]), "EINVAL"],
    ["a ring that there isn't", op(1, [[0, 1, 7]]), "EINVAL"],
    ["padding of create", op(1, [[3, 1, 1]]), "EINVAL"],
    ["frame numbers", op(2), "EOPNOTSUPP"],
    ["other flags", op(2, [[2, 2, 2]]), "EINVAL"],
    ["no such server", op(2, [[0, 2, 5], [2, 2, 1]]), "ENOENT"],
    ["padding of map", op(3, [[2, 2, 1], [4, 4, 1]]), "EINVAL"],
    ["padding of unmap", op(4, [[2, 2, 1], [4, 4, 1]]), "EINVAL"],
    ["a range type that there isn't", op(3, [[4, 4, 3]]), "EINVAL"],
    ["start > end", op(3, [[4, 4, 1], [8, 8, 5], [16, 8, 4]]), "EINVAL"],
    ["start > end = 2^64 - 1 wrapped", op(3, [[4, 4, 1], [8, 8, -1], [16, 8, 0]]), "EINVAL"],
    ["a range that isn't mapped", op(4, [[4, 4, 1], [8, 8, 0], [16, 8, -1]]), "ENOENT"],
    ["padding of set_state", op(5, [[3, 1, 1]]), "EINVAL"],
    ["padding of destroy", op(6, [[2, 2, 1]]), "EINVAL"],
    ["a private interrupt", op(19, [[0, 4, 31], [4, 1, 1]]), "EINVAL"],
    ["an interrupt beyond the last", op(19, [[0, 4, 0xffff_ffff], [4, 1, 1]]), "EINVAL"],
    ["level 2", op(19, [[0, 4, 40], [4, 1, 2]]), "EINVAL"],
    ["padding of set_irq_level", op(19, [[0, 4, 40], [7, 1, 1]]), "EINVAL"],
  ];
  assertEquals(dmOp([op(1)], by("dom1")), 0);
  for (const [name, bytes, error] of rows) assertEquals(dmOp([bytes], by("dom1")), -errno[error], name);
  for (const number of [3, 4, 5, 6]) assertEquals(dmOp([op(number, [[4, 4, 0]])], by("dom2")), -errno.EPERM, `${number} by another`);
  assertEquals(dmOp([op(2, [[2, 2, 1]])], by("dom2")), -errno.EPERM);
});

Deno.test("dm_op: range to the end of the address space", async () => {
  const { by, models } = await operations();
  dmOp([op(1)], by("dom1"));
  assertEquals(dmOp([op(3, [[4, 4, 1], [8, 8, 0], [16, 8, -1]])], by("dom1")), 0);
  assertEquals(dmOp([op(3, [[4, 4, 1], [8, 8, -1], [16, 8, -1]])], by("dom1")), -errno.EEXIST);
  dmOp([op(5, [[2, 1, 1]])], by("dom1"));
  assertEquals(models.servers.select(1, 2 ** 48 - 8, 8)?.server.id, 0);
});

Deno.test("dm_op: buffers that aren't there are never read (XSA-506)", async () => {
  const { by, models } = await operations();
  assertEquals(dmOp([], by("dom1")), -errno.EINVAL);
  for (const number of [1, 2, 3, 4, 5, 6, 19, 20]) {
    const whole = op(number, number === 2 ? [[2, 2, 1]] : []);
    for (let length = 0; length < DM_OP_BYTES; length++) {
      // Behind a short buffer lies something else.
      const memory = new Uint8Array(256).fill(0xa5);
      memory.set(whole.subarray(0, length), 64);
      const before = memory.slice();
      const result = dmOp([memory.subarray(64, 64 + length)], by("dom1"));
      assert(result === 0 || (-result) in Object.fromEntries(Object.values(errno).map((value) => [value, 1])), String(result));
      assertEquals(memory.subarray(64 + length), before.subarray(64 + length), `${number}: ${length} bytes`);
      if (length < 8) assertEquals(result, -errno.EFAULT);
      for (const server of [...models.servers.all]) models.servers.destroy("dom1", server.id);
    }
  }
});

Deno.test("dm_op: anything at all gets a number back", async () => {
  const { by, models } = await operations();
  const random = randomBelow("dm_op");
  const known = new Set(Object.values<number>(errno));
  for (let n = 0; n < 20_000; n++) {
    const bytes = Uint8Array.from({ length: random(50) }, () => random(3) === 0 ? random(256) : 0);
    if (bytes.length > 0) bytes[0] = random(23);
    if (bytes.length > 3 && random(4) > 0) bytes.fill(0, 1, 8);
    const result = dmOp([bytes], by(`dom${random(2)}`));
    assert(result === 0 || known.has(-result), String(result));
    assert(models.servers.all.length <= 8);
  }
});
