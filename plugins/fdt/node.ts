/** The one shape that compiler, decoder, encoder and printer share: a node whose property values are bytes. */

/** A node of a flattened device tree. The root's name is empty. */
export interface FdtNode {
  readonly name: string;
  /** In the order of the blob. */
  readonly properties: Map<string, Uint8Array>;
  readonly children: FdtNode[];
}

/** A flattened device tree. */
export interface Fdt {
  readonly root: FdtNode;
  /** Memory reservation block: ranges that the guest must keep its hands off. */
  readonly reserved: readonly { readonly at: bigint; readonly size: bigint }[];
  readonly bootCpu: number;
}

/** Declarations that contradict one another, or bytes that are no device tree. */
export class DeviceTreeError extends Error {
  override readonly name = "DeviceTreeError";
}

/** The child with this name; a name without unit address finds the only child that has one. */
export function findChild(node: FdtNode, name: string): FdtNode | undefined {
  const exact = node.children.find((child) => child.name === name);
  if (exact || name.includes("@")) return exact;
  const loose = node.children.filter((child) => child.name.split("@")[0] === name);
  return loose.length === 1 ? loose[0] : undefined;
}

/** The node at an absolute path such as `/cpus/cpu@0`. */
export function findNode(root: FdtNode, path: string): FdtNode | undefined {
  let node: FdtNode | undefined = root;
  for (const part of path.split("/").filter((part) => part !== "")) {
    node = node && findChild(node, part);
  }
  return node;
}

/** Visits every node with its absolute path, parents first. */
export function* walk(node: FdtNode, path = "/"): Generator<{ node: FdtNode; path: string }> {
  yield { node, path };
  for (const child of node.children) yield* walk(child, path === "/" ? `/${child.name}` : `${path}/${child.name}`);
}

/** A property as one big-endian cell; `undefined` when it is missing or of another size. */
export function cellOf(node: FdtNode, property: string): number | undefined {
  const bytes = node.properties.get(property);
  return bytes?.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) : undefined;
}

/** A property as strings; empty when it is missing. */
export function textOf(node: FdtNode, property: string): string[] {
  const bytes = node.properties.get(property);
  if (!bytes || bytes.length === 0) return [];
  return new TextDecoder().decode(bytes).replace(/\0$/, "").split("\0");
}
