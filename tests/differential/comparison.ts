/** Compares an engine with the oracle over all forms of a group, and reports what differs. */
import type { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import type { Case, Engine, Result } from "../support/case.ts";
import { describeCase, differences } from "../support/compare.ts";
import { Random } from "../support/random.ts";
import { randomCase, randomMemory } from "./case_generator.ts";
import type { Form } from "./forms.ts";

/** Cases that share one image of the data window. */
const CASES_PER_MEMORY = 2000;
/** Cases that are generated, executed and compared at a time. */
const CHUNK = 8000;

/** FPCR.Len and Stride: for AArch32, so RES0 in our models; QEMU's CPU keeps them. */
const FPCR_AARCH32 = 0x0037_0000;

/** How to compare. */
export interface Plan {
  readonly decoder: Decoder;
  readonly forms: readonly Form[];
  readonly casesPerForm: number;
  /** The same seed gives the same cases of a form, whatever else runs. */
  readonly seed: string;
  readonly oracle: Engine;
  readonly engine: Engine;
}

/** A form that disagrees. */
export interface Failure {
  readonly form: Form;
  /** How many of its cases. */
  readonly count: number;
  /** The first of them, in words. */
  readonly report: string[];
}

/** Name of a form: its picture and known fields. */
export function formName({ declaration, known, example }: Form, decoder: Decoder): string {
  const fields = Object.entries(known).map(([name, value]) => `${name}=${value}`).join(" ");
  return `${decoder.disassemble(example).split(" ")[0]} [${declaration.bits}]${fields && ` ${fields}`}`;
}

/** Runs all cases of a plan; failures by form, in order. */
export async function compare(plan: Plan): Promise<{ cases: number; failures: Failure[] }> {
  const failures = new Map<Form, Failure>();
  let cases = 0;
  let pending: Promise<void> = Promise.resolve();
  for (const chunk of chunks(plan)) {
    const expected = plan.oracle.run(chunk.map(({ test }) => test));
    const got = await plan.engine.run(chunk.map(({ test }) => test));
    await pending;
    pending = Promise.resolve(expected).then((results) =>
      chunk.forEach(({ form, test }, i) => check(plan, failures, form, test, results[i], got[i]))
    );
    cases += chunk.length;
  }
  await pending;
  return { cases, failures: [...failures.values()] };
}

interface Planned {
  readonly form: Form;
  readonly test: Case;
}

function* chunks({ decoder, forms, casesPerForm, seed }: Plan): Generator<Planned[]> {
  let chunk: Planned[] = [];
  let memory: Uint8Array = new Uint8Array();
  for (const form of forms) {
    const name = formName(form, decoder);
    const random = new Random(`${seed} ${name}`);
    for (let i = 0; i < casesPerForm; i++) {
      if (i % CASES_PER_MEMORY === 0) memory = randomMemory(random);
      chunk.push({ form, test: randomCase(random, decoder, form, memory, `${name} #${i}`) });
    }
    if (chunk.length >= CHUNK) {
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length) yield chunk;
}

function check(
  { seed, oracle, engine, decoder }: Plan,
  failures: Map<Form, Failure>,
  form: Form,
  test: Case,
  expected: Result,
  got: Result,
): void {
  // What an access that faults half-way has stored or loaded is UNKNOWN; QEMU loads the first vector before it looks at the second.
  const lines = differences(expected, got, {
    memory: expected.ending === "abort",
    vectors: expected.ending === "abort",
    fpcr: FPCR_AARCH32,
  });
  if (lines.length === 0) return;
  const before = failures.get(form);
  const report = before?.report ?? [
    ...describeCase(test),
    ...test.code.map((word) => `  ${decoder.disassemble(word)}`),
    `seed ${seed}; expected: ${oracle.name}, got: ${engine.name}`,
    ...lines,
  ];
  failures.set(form, { form, count: (before?.count ?? 0) + 1, report });
}
