import { assertEquals } from "@std/assert";
import { hasColor } from "./color.ts";

Deno.test({
  name: "colour: on a terminal, and where FORCE_COLOR asks for it",
  ignore: Deno.noColor,
  fn() {
    const before = Deno.env.get("FORCE_COLOR");
    const at = (forced: string, isTerminal: boolean) => {
      Deno.env.set("FORCE_COLOR", forced);
      return hasColor({ isTerminal: () => isTerminal });
    };
    try {
      assertEquals([at("", true), at("", false), at("0", false), at("1", false), at("3", false)], [true, false, false, true, true]);
    } finally {
      if (before === undefined) Deno.env.delete("FORCE_COLOR");
      else Deno.env.set("FORCE_COLOR", before);
    }
  },
});
