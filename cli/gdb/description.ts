/** What GDB is told of the target as XML: its registers, threads and memory. GDB manual, "Target Descriptions", "Thread List Format", "Memory Map Format". */
import type { Vcpu } from "../../core/mod.ts";
import type { Register } from "./registers.ts";

/** The names by which GDB knows the standard features; system registers are a feature of ours, which it just shows. */
const FEATURES = [
  ["core", "org.gnu.gdb.aarch64.core"],
  ["fpu", "org.gnu.gdb.aarch64.fpu"],
  ["system", "dev.plugboard.aarch64.system"],
] as const;

/** Types that a feature's registers use. */
const TYPES: Readonly<Record<string, string>> = {
  core: `<flags id="cpsr_flags" size="4">${
    [
      ["SP", 0],
      ["EL", 2, 3],
      ["nRW", 4],
      ["F", 6],
      ["I", 7],
      ["A", 8],
      ["D", 9],
      ["IL", 20],
      ["SS", 21],
      ["PAN", 22],
      ["UAO", 23],
      ["V", 28],
      ["C", 29],
      ["Z", 30],
      ["N", 31],
    ].map(([name, start, end = start]) => `<field name="${name}" start="${start}" end="${end}"/>`).join("")
  }</flags>`,
  fpu: [
    ["v2d", "ieee_double", 2],
    ["v2u", "uint64", 2],
    ["v2i", "int64", 2],
    ["v4f", "ieee_single", 4],
    ["v4u", "uint32", 4],
    ["v4i", "int32", 4],
    ["v8u", "uint16", 8],
    ["v8i", "int16", 8],
    ["v16u", "uint8", 16],
    ["v16i", "int8", 16],
    ["v1u", "uint128", 1],
    ["v1i", "int128", 1],
  ].map(([id, type, count]) => `<vector id="${id}" type="${type}" count="${count}"/>`).join("") +
    union("vnd", ["v2d", "v2u", "v2i"], "fus") +
    union("vns", ["v4f", "v4u", "v4i"], "fus") + union("vnh", ["v8u", "v8i"], "us") + union("vnb", ["v16u", "v16i"], "us") +
    union("vnq", ["v1u", "v1i"], "us") + union("aarch64v", ["vnd", "vns", "vnh", "vnb", "vnq"], "dshbq"),
  system: "",
};

function union(id: string, types: readonly string[], names: string): string {
  return `<union id="${id}">${types.map((type, n) => `<field name="${names[n]}" type="${type}"/>`).join("")}</union>`;
}

/** `target.xml`. */
export function targetDescription(registers: readonly Register[]): string {
  const features = FEATURES.map(([feature, name]) => {
    const own = registers.filter((register) => register.feature === feature);
    const rows = own.map(({ name, bits, type }) => {
      const group = feature === "system" ? ' group="system" save-restore="no"' : "";
      return `<reg name="${name}" bitsize="${bits}" regnum="${registers.findIndex((one) => one.name === name)}"${
        type ? ` type="${type}"` : ""
      }${group}/>`;
    });
    return `<feature name="${name}">${TYPES[feature]}${rows.join("")}</feature>`;
  });
  return `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0"><architecture>aarch64</architecture>${
    features.join("")
  }</target>`;
}

/** `threads`. */
export function threadList(threads: readonly { readonly id: string; readonly vcpu: Vcpu; readonly does: string }[]): string {
  const rows = threads.map(({ id, vcpu, does }) =>
    `<thread id="${id}" core="${vcpu.index}" name="${escape(vcpu.domain.name)}">${escape(does)}</thread>`
  );
  return `<?xml version="1.0"?><threads>${rows.join("")}</threads>`;
}

/** `memory-map`: addresses are virtual ones, so what is there changes all the time; an access says whether it is RAM. */
export const memoryMap = '<?xml version="1.0"?><memory-map><memory type="ram" start="0x0" length="0xffffffffffffffff"/></memory-map>';

function escape(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
