import { assert, assertEquals, assertThrows } from "@std/assert";
import { PlainWriter, readPlain } from "./plain_data.ts";
import { randomBelow } from "../../../tests/support/random.ts";

const encode = (value: unknown, room = 65_536) => {
  const into = new Uint8Array(room);
  return into.slice(0, new PlainWriter(into).write(value));
};

const values: unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 31,
  2 ** 53,
  0.1,
  NaN,
  Infinity,
  "",
  "text",
  "Ärger € 🙂",
  0n,
  -1n,
  2n ** 64n,
  -(2n ** 100n),
  [],
  [1, [2, [3]], undefined],
  {},
  { a: 1, b: { c: [null] }, "Ä": "x" },
  new Map<unknown, unknown>([[1, new Uint8Array([1, 2, 3])], ["k", new Map([[2n, {}]])]]),
  new Set([1, "2"]),
  new Uint8Array(0),
  new Uint16Array([1, 65_535]),
  new Float64Array([0.5, NaN]),
  new BigInt64Array([-1n]),
  new Uint8ClampedArray([255]),
];

Deno.test("plain data: what goes in comes out", () => {
  for (const value of [...values, values]) {
    const back = readPlain(encode(value));
    assertEquals(back, value);
    assertEquals(Object.prototype.toString.call(back), Object.prototype.toString.call(value));
  }
  assert(Object.is(readPlain(encode(-0)), -0));
  assertEquals(readPlain(encode(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))), new Uint8Array([2, 3]));
});

Deno.test("plain data: what isn't plain, or too long, or contains itself is refused", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const value of [() => 0, Symbol("s"), cycle, { f() {} }]) assertThrows(() => encode(value), TypeError);
  for (const value of [{ a: "x".repeat(100) }, new Uint8Array(100), "Ä".repeat(60)]) assertThrows(() => encode(value, 100), RangeError);
});

Deno.test("plain data: any bytes at all give a value or a RangeError", () => {
  const random = randomBelow("plain data");
  const whole = encode(values);
  for (let n = 0; n < 5000; n++) {
    const bytes = n % 2 ? whole.slice(0, random(whole.length + 1)) : Uint8Array.from({ length: random(40) }, () => random(16));
    for (let change = random(4); change > 0 && bytes.length > 0; change--) bytes[random(bytes.length)] = random(256);
    try {
      readPlain(bytes);
    } catch (error) {
      assert(error instanceof RangeError, String(error));
    }
  }
  for (
    const bytes of [[], [13], [8, 255, 255, 255, 255], [10, 0, 0, 0, 64], [
      9,
      1,
      0,
      0,
      0,
      9,
      0,
      0,
      0,
      ...new TextEncoder().encode("__proto__"),
      0,
    ]]
  ) {
    assertThrows(() => readPlain(Uint8Array.from(bytes)), RangeError);
  }
});
