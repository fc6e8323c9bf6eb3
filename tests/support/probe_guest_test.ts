import { assertEquals } from "@std/assert";
import { probeHandler, probeSource } from "./probe_guest.ts";
import { assemble, assembler, missing } from "./toolchain.ts";

Deno.test({ name: "the probe's words are what its text says", ignore: missing(assembler) }, () => {
  for (const source of [probeSource, probeHandler]) {
    const assembled = assemble(source.map(([, text]) => text));
    assertEquals(assembled, source.map(([word]) => ({ word })));
  }
});
