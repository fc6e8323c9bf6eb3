/** Reads executable words out of AArch64 ELF files. */

/** Distinct words of the executable section `.text`, with how often each occurs. Throws when the file isn't ELF64. */
export function textWords(file: Uint8Array): Map<number, number> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.getUint32(0) !== 0x7f454c46 || file[4] !== 2) throw new Error("not an ELF64 file");
  const table = Number(view.getBigUint64(40, true));
  const entry = view.getUint16(58, true), count = view.getUint16(60, true), names = view.getUint16(62, true);
  const section = (n: number) => {
    const at = table + n * entry;
    return {
      name: view.getUint32(at, true),
      offset: Number(view.getBigUint64(at + 24, true)),
      size: Number(view.getBigUint64(at + 32, true)),
    };
  };
  const nameAt = section(names).offset;
  const words = new Map<number, number>();
  for (let n = 0; n < count; n++) {
    const { name, offset, size } = section(n);
    const start = nameAt + name;
    if (new TextDecoder().decode(file.subarray(start, file.indexOf(0, start))) !== ".text") continue;
    for (let at = offset; at + 4 <= offset + size; at += 4) {
      const word = view.getUint32(at, true);
      words.set(word, (words.get(word) ?? 0) + 1);
    }
  }
  return words;
}
