/** Limits that a module may import the engine's memory with. */

/**
 * In pages of 64 KiB. A true minimum spares the bounds checks of constant addresses, which the state block's are; a maximum that equals it has
 * the others look the size up once a function.
 */
export function limitsOf(memory: WebAssembly.Memory): { readonly minimum: number; readonly maximum: number } {
  const pages = memory.buffer.byteLength / 65536;
  return { minimum: pages, maximum: pages };
}
