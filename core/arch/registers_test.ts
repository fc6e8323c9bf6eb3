import { assertEquals, assertThrows } from "@std/assert";
import { registers } from "./registers.ts";

const layout = registers(32, {
  DATA: { at: 0x00, access: "rw", fields: { BYTE: [7, 0] }, unimplemented: { ERROR: 8 } },
  FLAGS: { at: 0x18, access: "ro", reset: 0x90, fields: { RXFE: 4, TXFE: 7 } },
  CONTROL: { at: 0x30, access: "rw", reset: 0x300 },
  STATUS: { at: 0x34, access: "w1c", reset: 0xff },
  CLEAR: { at: 0x44, access: "wo" },
  TARGET: { at: 0x80, access: "rw", count: 4 },
}, { widths: [1, 2, 4, 8], size: 0x1000 });

Deno.test("reads and writes by access, field mask and hook", () => {
  const state = layout.reset();
  const cleared: number[] = [];
  const device = layout.handler(state, { CLEAR: { write: (value) => void cleared.push(value) }, DATA: { read: () => 0x55 } });
  device.write(0, 4, 0xffff_ffffn, undefined);
  assertEquals(state.DATA, 0xff);
  assertEquals(device.read(0, 4, undefined), 0x55);
  device.write(0x18, 4, 0n, undefined);
  assertEquals(device.read(0x18, 4, undefined), 0x90);
  device.write(0x34, 4, 0x0fn, undefined);
  assertEquals(state.STATUS, 0xf0);
  device.write(0x44, 4, 0xffff_ffffn, undefined);
  assertEquals(cleared, [0xffff_ffff]);
  assertEquals(device.read(0x44, 4, undefined), 0);
  device.write(0x88, 4, 0xdead_beefn, undefined);
  assertEquals(state.TARGET, [0, 0, 0xdead_beef, 0]);
  assertEquals(device.read(0x88, 4, undefined), 0xdead_beef);
});

Deno.test("narrow and wide accesses", () => {
  const state = layout.reset();
  const device = layout.handler(state);
  assertEquals(device.read(0x31, 1, undefined), 3);
  device.write(0x32, 2, 0xabcdn, undefined);
  assertEquals(state.CONTROL, 0xabcd_0300);
  device.write(0x80, 8, 0x1122_3344_5566_7788n, undefined);
  assertEquals(state.TARGET.slice(0, 2), [0x5566_7788, 0x1122_3344]);
  assertEquals(device.read(0x80, 8, undefined), 0x1122_3344_5566_7788n);
  // Writing a byte of a write-one-to-clear register leaves the other bytes alone.
  state.STATUS = 0xffff;
  device.write(0x35, 1, 0xffn, undefined);
  assertEquals(state.STATUS, 0xff);
});

Deno.test("holes, and widths that a block doesn't have, are RAZ/WI", () => {
  const narrow = registers(32, { A: { at: 0, access: "rw", reset: 5 } });
  const state = narrow.reset();
  const device = narrow.handler(state);
  device.write(0, 2, 9n, undefined);
  device.write(8, 4, 9n, undefined);
  assertEquals([device.read(0, 1, undefined), device.read(8, 4, undefined), device.read(0, 4, undefined)], [0, 0, 5]);
});

Deno.test("fields", () => {
  assertEquals(layout.field("FLAGS", "TXFE", 0x90), 1);
  assertEquals(layout.withField("DATA", "BYTE", 0xffff_ff00, 0x12), 0xffff_ff12);
  assertThrows(() => layout.field("FLAGS", "NONE", 0), RangeError, "no field NONE");
  assertEquals(layout.nameAt(0x8a), "TARGET[2]");
});

Deno.test("overlaps are found at declaration", () => {
  assertThrows(
    () => registers(32, { A: { at: 0, access: "rw" }, B: { at: 0, access: "ro" } }),
    RangeError,
    "B and A are both at offset 0x0",
  );
  assertThrows(() => registers(32, { A: { at: 0, access: "rw", fields: { X: [3, 0], Y: 3 } } }), RangeError, "shares bits");
  assertThrows(() => registers(32, { A: { at: 2, access: "rw" } }), RangeError, "multiple of 4");
  assertThrows(() => registers(32, { A: { at: 16, access: "rw" } }, { size: 16 }), RangeError, "beyond");
});
