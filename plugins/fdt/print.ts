/** Device tree source text from a blob, for people and for the `dtb` verb. */
import { decodeFdt } from "./blob.ts";
import type { FdtNode } from "./node.ts";

/** Properties that hold text although their bytes might also pass for cells. */
const printable = /^[\x20-\x7e]+$/;

function texts(bytes: Uint8Array): string[] | undefined {
  if (bytes.length === 0 || bytes[bytes.length - 1] !== 0) return undefined;
  const parts = new TextDecoder("latin1").decode(bytes.subarray(0, -1)).split("\0");
  return parts.every((part) => printable.test(part)) ? parts : undefined;
}

function value(bytes: Uint8Array): string {
  const strings = texts(bytes);
  if (strings) return strings.map((text) => JSON.stringify(text)).join(", ");
  if (bytes.length % 4 === 0) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const cells: string[] = [];
    for (let at = 0; at < bytes.length; at += 4) cells.push(`0x${view.getUint32(at).toString(16)}`);
    return `<${cells.join(" ")}>`;
  }
  return `[${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}]`;
}

function lines(node: FdtNode, indent: string): string[] {
  const inner = `${indent}\t`;
  const properties = [...node.properties].map(([name, bytes]) =>
    bytes.length === 0 ? `${inner}${name};` : `${inner}${name} = ${value(bytes)};`
  );
  const children = node.children.flatMap((child) => ["", ...lines(child, inner)]);
  return [
    `${indent}${node.name === "" ? "/" : node.name} {`,
    ...properties,
    ...(properties.length ? children : children.slice(1)),
    `${indent}};`,
  ];
}

/** Prints a blob as device tree source, which `dtc` accepts. Throws a `DeviceTreeError` for anything else than a blob. */
export function printDeviceTree(blob: Uint8Array): string {
  const fdt = decodeFdt(blob);
  const reserved = fdt.reserved.map(({ at, size }) => `/memreserve/ 0x${at.toString(16)} 0x${size.toString(16)};\n`);
  return `/dts-v1/;\n${reserved.join("")}\n${lines(fdt.root, "").join("\n")}\n`;
}
