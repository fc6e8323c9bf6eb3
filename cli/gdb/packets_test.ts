import { assertEquals } from "@std/assert";
import { fromHex, number, packet, PACKET_LIMIT, PacketReader, toHex } from "./packets.ts";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const text = (data: Uint8Array) => String.fromCharCode(...data);
const read = (input: string) => [...new PacketReader().push(bytes(input))];

Deno.test("a packet has its sum, and comes out as it went in, whatever is in it", () => {
  assertEquals(text(packet("OK")), "$OK#9a");
  assertEquals(text(packet("a#b}")), "$a}\x03b}]#1d");
  for (const body of ["", "qC", "#$}*", "\x00\xff\x03", "vFile:x".repeat(100)]) {
    assertEquals(read(text(packet(body))), [{ kind: "packet", body }]);
  }
});

Deno.test("packets come in pieces, with acknowledgements and interrupts between them", () => {
  const reader = new PacketReader();
  const found = [..."+$qC#b4\x03-$g#67"].flatMap((one) => [...reader.push(bytes(one))]);
  assertEquals(found, [{ kind: "packet", body: "qC" }, { kind: "interrupt" }, { kind: "again" }, { kind: "packet", body: "g" }]);
});

Deno.test("a wrong sum, a packet broken off and one without end are bad, and the next one is read", () => {
  assertEquals(read("$qC#b5$g#67").map(({ kind }) => kind), ["bad", "packet"]);
  assertEquals(read("$qC#zz$g#67").map(({ kind }) => kind), ["bad", "packet"]);
  assertEquals(read("$qC$g#67"), [{ kind: "packet", body: "g" }]);
  assertEquals(read(`$${"a".repeat(PACKET_LIMIT + 1)}#00$g#67`).map(({ kind }) => kind), ["bad", "packet"]);
});

Deno.test("hexadecimal digits are bytes and numbers, and nothing else is", () => {
  assertEquals(toHex(Uint8Array.of(0, 0x7f, 0xff)), "007fff");
  assertEquals(fromHex("007Fff"), Uint8Array.of(0, 0x7f, 0xff));
  for (const wrong of ["0", "0g", "-1", " 1"]) assertEquals(fromHex(wrong), undefined);
  assertEquals(number("ffffffffffffffff"), 2n ** 64n - 1n);
  for (const wrong of ["", "x", "-1", "10000000000000000", undefined]) assertEquals(number(wrong), undefined);
});
