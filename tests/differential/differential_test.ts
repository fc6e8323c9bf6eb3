/**
 * Random valid encodings of every declared instruction, executed by our
 * interpreter and by qemu-aarch64: registers, flags, FPSR and memory compared.
 * PLUGBOARD_SEED and PLUGBOARD_CASES (per form) choose other cases.
 */
import { assertEquals } from "@std/assert";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { declarations, groups } from "../../plugins/cpu_a64/isa/mod.ts";
import { modelByName } from "../../plugins/cpu_a64/sysregs/mod.ts";
import { SEED } from "../support/random.ts";
import { QemuUser } from "../support/qemu_user.ts";
import { missing, qemu } from "../support/toolchain.ts";
import { BareMachine } from "./bare_machine.ts";
import { compare, formName } from "./comparison.ts";
import { findForms } from "./forms.ts";

const casesPerForm = Number(Deno.env.get("PLUGBOARD_CASES") ?? 200);
/** Compiling what executes but once takes time: fewer cases of it. */
const FORCED_SHARE = 0.1;
/** Failing forms that a report shows in full. */
const SHOWN = 8;

const decoder = new Decoder(declarations, modelByName("max").features);

const tiers = [
  { tier1: "off", cases: casesPerForm, suffix: "" },
  { tier1: "force", cases: Math.ceil(casesPerForm * FORCED_SHARE), suffix: ", compiled" },
] as const;

for (const [[name, group], { tier1, cases: perForm, suffix }] of Object.entries(groups).flatMap((g) => tiers.map((t) => [g, t] as const))) {
  Deno.test({ name: `like QEMU: ${name}${suffix}`, ignore: missing(qemu) }, async () => {
    const { forms, skipped } = findForms(decoder, (declaration) => group.includes(declaration));
    const oracle = new QemuUser(qemu.command);
    try {
      const engine = new BareMachine(modelByName("max"), tier1);
      const { cases, failures } = await compare({ decoder, forms, casesPerForm: perForm, seed: SEED, oracle, engine });
      const reports = failures.slice(0, SHOWN).map(({ count, report }) => `${count} cases of ${report.join("\n")}`);
      const rest = failures.slice(SHOWN).map(({ form, count }) => `${count} cases of ${formName(form, decoder)}`);
      assertEquals(failures.length, 0, [`${failures.length} of ${forms.length} forms differ`, ...reports, ...rest].join("\n\n"));
      assertEquals(cases, forms.length * perForm);
      for (const [reason, count] of skipped) console.log(`${count} forms skipped: ${reason}`);
    } finally {
      oracle.close();
    }
  });
}

Deno.test({ name: "like QEMU: LDAPUR, STLUR and their kin, which Armv8-R has", ignore: missing(qemu) }, async () => {
  const max = modelByName("max");
  const model = { ...max, features: new Set([...max.features, "LRCPC2" as const]) };
  const beside = new Decoder(declarations, model.features);
  const { forms } = findForms(beside, ({ feature }) => feature === "LRCPC2");
  assertEquals(forms.length, 13);
  const oracle = new QemuUser(qemu.command, "max");
  try {
    for (const { tier1, cases } of tiers) {
      const engine = new BareMachine(model, tier1);
      const { failures } = await compare({ decoder: beside, forms, casesPerForm: cases, seed: SEED, oracle, engine });
      assertEquals(failures.map(({ form, report }) => `${formName(form, beside)}: ${report.join("\n")}`), []);
    }
  } finally {
    oracle.close();
  }
});
