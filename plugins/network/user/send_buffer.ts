/** Bytes that were sent or will be, and aren't acknowledged: plain data. */

/** Begins at the first byte that isn't acknowledged. */
export interface SendBuffer {
  readonly chunks: Uint8Array[];
  size: number;
}

/** Behind the others. */
export function append(buffer: SendBuffer, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  buffer.chunks.push(bytes);
  buffer.size += bytes.length;
}

/** Forgets the first bytes, at most all of them. */
export function drop(buffer: SendBuffer, count: number): void {
  let left = Math.min(count, buffer.size);
  buffer.size -= left;
  while (left > 0) {
    const first = buffer.chunks[0];
    if (first.length > left) {
      buffer.chunks[0] = first.subarray(left);
      return;
    }
    buffer.chunks.shift();
    left -= first.length;
  }
}

/** Copies bytes from an offset on; they are there. */
export function copyOut(buffer: SendBuffer, offset: number, into: Uint8Array): void {
  let [skip, at] = [offset, 0];
  for (const chunk of buffer.chunks) {
    if (skip >= chunk.length) {
      skip -= chunk.length;
      continue;
    }
    const part = chunk.subarray(skip, skip + into.length - at);
    into.set(part, at);
    at += part.length;
    skip = 0;
    if (at === into.length) return;
  }
}
