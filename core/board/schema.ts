/** JSON Schema of manifests, from the same declarations that the checks use. Editors complete and check with it. */
import { boardKeys, domainKeys, platformKeys, rangeKeys, structure } from "./manifest_keys.ts";
import type { OptionKind, OptionSpec, OptionSpecs } from "./options.ts";
import type { Plugin } from "../plugin/plugin.ts";

/** A JSON Schema, as plain data. */
export type JsonSchema = { readonly [key: string]: unknown };

const integerText = "^[+-]?(0x[0-9a-fA-F_]+|0b[01_]+|0o[0-7_]+|[0-9][0-9_]*)$";
const sizeText = "^(0x[0-9a-fA-F_]+|[0-9][0-9_]*(\\.[0-9]+)? ?([KMGT](iB)?|B)?)$";
const timeText = "^(0|[0-9][0-9_]*(\\.[0-9]+)? ?(ns|us|µs|ms|s|min|h))$";

const kinds: Readonly<Record<OptionKind, JsonSchema>> = {
  address: { anyOf: [{ type: "integer", minimum: 0, exclusiveMaximum: 2 ** 48 }, { type: "string", pattern: integerText }] },
  size: { anyOf: [{ type: "integer", minimum: 0 }, { type: "string", pattern: sizeText }] },
  duration: { anyOf: [{ const: 0 }, { type: "string", pattern: timeText }] },
  integer: { anyOf: [{ type: "integer" }, { type: "string", pattern: integerText }] },
  interrupt: { anyOf: [{ type: "integer", minimum: 16, maximum: 1019 }, { type: "string", pattern: "^([sSpP][pP][iI][ :]?)?[0-9]+$" }] },
  boolean: { type: "boolean" },
  text: { type: "string" },
  choice: { type: "string" },
  image: { anyOf: [{ type: "string", minLength: 1 }, { type: "array" }, { type: "object" }] },
  any: {},
};

function optionSchema(spec: OptionSpec): JsonSchema {
  let value: JsonSchema = kinds[spec.kind];
  if (spec.kind === "choice" && spec.choices) value = { enum: spec.choices };
  if (spec.kind === "integer") {
    const number = {
      type: "integer",
      ...spec.min !== undefined && { minimum: spec.min },
      ...spec.max !== undefined && { maximum: spec.max },
    };
    value = { anyOf: [number, { type: "string", pattern: integerText }] };
  }
  if (spec.list) value = { type: "array", items: value };
  return { description: spec.doc, ...value, ...spec.default !== undefined && { default: spec.default } };
}

function mapping(specs: OptionSpecs, more: Readonly<Record<string, JsonSchema>>, alsoRequired: readonly string[] = []): JsonSchema {
  const required = Object.entries(specs).filter(([, spec]) => spec.default === undefined && !spec.optional).map(([name]) => name);
  return {
    type: "object",
    properties: { ...Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, optionSchema(spec)])), ...more },
    required: [...required, ...alsoRequired],
    additionalProperties: false,
  };
}

/** The JSON Schema (draft 2020-12) of board manifests that use these plugins. */
export function boardSchema(plugins: readonly Plugin[]): JsonSchema {
  const definitions: Record<string, JsonSchema> = {
    range: mapping(rangeKeys, {}),
    use: {
      type: "object",
      required: ["use"],
      properties: {
        use: {
          description: "A built-in plugin by name, or a module that exports one.",
          anyOf: [
            { oneOf: plugins.map(({ name, doc }) => ({ const: name, description: doc })) },
            { type: "string", pattern: "^(\\.{1,2}/|/|jsr:|npm:|https:|file:)" },
          ],
        },
      },
      allOf: plugins.map(({ name }) => ({
        if: { properties: { use: { const: name } } },
        then: { $ref: `#/$defs/plugin.${name}` },
      })),
    },
  };
  for (const { name, doc, options } of plugins) {
    definitions[`plugin.${name}`] = { description: doc, ...mapping(options, { use: { const: name } }) };
  }
  const range = { $ref: "#/$defs/range" };
  const uses = (description: string) => ({ description, type: ["array", "null"], items: { $ref: "#/$defs/use" } });
  const domain = mapping(domainKeys, {
    memory: { description: structure.domainMemory, anyOf: [kinds.size, range, { type: "array", items: range }] },
    plugins: uses(structure.domainPlugins),
  }, ["memory"]);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Plugboard board manifest",
    ...mapping(boardKeys, {
      platform: { ...mapping(platformKeys, {}), description: structure.platform },
      memory: { description: structure.memory, anyOf: [kinds.size, range, { type: "array", items: range }] },
      plugins: uses(structure.plugins),
      domains: { description: structure.domains, type: "array", minItems: 1, items: domain },
    }, ["domains"]),
    $defs: definitions,
  };
}
