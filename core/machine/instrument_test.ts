import { assertEquals } from "@std/assert";
import type { Vcpu } from "./domain.ts";
import { watched } from "./instrument.ts";

Deno.test("instrument: without one, dispatch is what it was; with one, it hears of each exit first", () => {
  const told: string[] = [];
  const dispatch = (vcpu: Vcpu) => told.push(`dispatch ${vcpu.index}`);
  assertEquals(watched(undefined, dispatch, () => undefined), dispatch);
  const instrument = {
    engine: <T>(engine: T) => engine,
    exit: (vcpu: Vcpu, deviceAt: (ipa: number) => string | undefined) => void told.push(`exit ${vcpu.index} ${deviceAt(0x900)}`),
  };
  watched(instrument, dispatch, (_, ipa) => `device at ${ipa}`)({ index: 3 } as Vcpu);
  assertEquals(told, ["exit 3 device at 2304", "dispatch 3"]);
});
