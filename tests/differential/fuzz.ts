/**
 * Random instructions against QEMU for as long as one likes:
 * `deno task fuzz [--group NAME] [--form TEXT] [--cases N] [--seed TEXT] [--rounds N]`.
 * Without `--rounds` it goes on until it is interrupted. Exit code 1 when something differs.
 */
import { parseArgs } from "@std/cli";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { declarations, groups } from "../../plugins/cpu_a64/isa/mod.ts";
import { modelByName } from "../../plugins/cpu_a64/sysregs/mod.ts";
import { QemuUser } from "../support/qemu_user.ts";
import { qemu } from "../support/toolchain.ts";
import { BareMachine } from "./bare_machine.ts";
import { compare, formName } from "./comparison.ts";
import { findForms } from "./forms.ts";

const options = parseArgs(Deno.args, { string: ["group", "form", "cases", "seed", "rounds"] });
const casesPerForm = Number(options.cases ?? 1000);
const decoder = new Decoder(declarations, modelByName("max").features);
const wanted = options.group ? groups[options.group] : declarations;
if (!wanted) {
  console.error(`no group ${options.group}: there are ${Object.keys(groups).join(", ")}`);
  Deno.exit(2);
}
const forms = findForms(decoder, (declaration) => wanted.includes(declaration)).forms
  .filter((form) => !options.form || formName(form, decoder).includes(options.form));
const oracle = new QemuUser(qemu.command);
const engine = new BareMachine();
let failed = false;
try {
  for (let round = 0; round < Number(options.rounds ?? Infinity); round++) {
    const seed = options.seed ?? String(crypto.getRandomValues(new Uint32Array(1))[0]);
    const started = performance.now();
    const { cases, failures } = await compare({ decoder, forms, casesPerForm, seed, oracle, engine });
    const seconds = (performance.now() - started) / 1000;
    for (const { form, count, report } of failures) {
      failed = true;
      console.log(`\n${count} of ${casesPerForm} cases differ: ${formName(form, decoder)}\n${report.join("\n")}`);
    }
    console.log(`seed ${seed}: ${cases} cases of ${forms.length} forms in ${seconds.toFixed(1)} s, ${failures.length} forms differ`);
    if (options.seed) break;
  }
} finally {
  oracle.close();
}
Deno.exit(failed ? 1 : 0);
