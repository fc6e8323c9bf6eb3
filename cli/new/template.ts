/** The plugin that `plugin new` writes: a device in one file, and its test. */

/** Where the two files find us. */
export interface TemplateImports {
  /** Module of the façade. */
  readonly library: string;
  /** Module of the test kit. */
  readonly testing: string;
}

/** Plugin names, as manifests write them. */
export const PLUGIN_NAME = /^[a-z][a-z0-9_]{0,30}$/;

/** The text of each file, by its name. `name` is a {@linkcode PLUGIN_NAME}. */
export function pluginFiles(name: string, imports: TemplateImports): Record<string, string> {
  const camel = name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()).replace(/_+$/, "");
  // A name in code can't be one of the language's, nor one that the file has already.
  const constant = `${camel}Plugin`;
  const type = camel[0].toUpperCase() + camel.slice(1);
  return { [`${name}.ts`]: plugin(name, constant, type, imports), [`${name}_test.ts`]: test(name, constant, imports) };
}

function plugin(name: string, constant: string, type: string, { library }: TemplateImports): string {
  return `/**
 * ${name}: adds up what is written to ADD, and raises its interrupt when the sum reaches the limit. Make it yours.
 * A manifest uses it by path:
 *
 *     - use: ./${name}.ts
 *       at: 0x0a00_0000
 *       interrupt: spi 8
 *
 * What can a hostile guest do here? Write any register at any time: the sum wraps at 32 bits, and nothing grows.
 */
import { defineDevice, devicePlugin, registers } from ${JSON.stringify(library)};
import type { DevicePlugin } from ${JSON.stringify(library)};

/** Offsets in bytes. */
const block = registers(32, {
  ADD: { at: 0x0, access: "wo" },
  SUM: { at: 0x4, access: "ro" },
  ACK: { at: 0x8, access: "wo" },
}, { size: 0x1000 });

/** What a manifest may say, besides where the device is and where it runs. */
export interface ${type}Options {
  /** The sum at which the interrupt is raised. */
  readonly limit: number;
}

/** The registers: plain data, which snapshots hold. */
type State = ReturnType<typeof block.reset>;

/** The plugin. */
export const ${constant}: DevicePlugin<${type}Options, State> = devicePlugin(defineDevice<${type}Options, State>({
  name: "${name}",
  doc: "Adds up what is written to it, and interrupts at a limit.",
  module: import.meta.url,
  options: { limit: { kind: "integer", default: 100, min: 1, max: 0xffff_ffff, doc: "The sum at which the interrupt is raised." } },
  windows: { registers: { size: 0x1000 } },
  interrupts: { reached: {} },
  deviceTree: (_, { unit, reg, interrupts }) => [{
    under: "/",
    nodes: [{ name: \`${name}@\${unit}\`, properties: { compatible: { text: "example,${name}" }, reg, interrupts } }],
  }],
  state: () => block.reset(),
  create({ options: { limit }, state, interrupt }) {
    const line = interrupt("reached");
    return {
      windows: {
        registers: block.handler(state, {
          ADD: {
            write: (value) => {
              state.SUM = (state.SUM + value) >>> 0;
              if (state.SUM >= limit) line.set(true);
            },
          },
          ACK: { write: () => line.set(false) },
        }),
      },
    };
  },
}));

export default ${constant};
`;
}

function test(name: string, constant: string, { testing }: TemplateImports): string {
  return `/** ${name} without a CPU: run it with \`deno test -A\`. */
import assert from "node:assert/strict";
import { bench } from ${JSON.stringify(testing)};
import { ${constant} } from "./${name}.ts";

const options = { at: 0x0a00_0000, interrupt: 40, limit: 7 };
const ADD = options.at;
const SUM = options.at + 4;
const ACK = options.at + 8;

Deno.test("${name}: the interrupt comes when the sum reaches the limit, and goes when it is acknowledged", async () => {
  using kit = bench();
  await kit.attach(${constant}, options);
  kit.write32(ADD, 6);
  assert.deepEqual([kit.read32(SUM), kit.interrupts.level(40)], [6, false]);
  kit.write32(ADD, 1);
  assert.deepEqual([kit.read32(SUM), kit.interrupts.level(40)], [7, true]);
  kit.write32(ACK, 1);
  assert.equal(kit.interrupts.level(40), false);
});

Deno.test("${name}: the sum wraps, whatever a guest writes", async () => {
  using kit = bench();
  await kit.attach(${constant}, options);
  kit.write32(ADD, 0xffff_ffff);
  kit.write32(ADD, 2);
  assert.equal(kit.read32(SUM), 1);
});
`;
}
