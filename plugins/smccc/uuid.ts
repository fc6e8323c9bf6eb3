/** UUIDs as calls return them: SMC Calling Convention, Arm DEN 0028, "UUID representation". */

/** W0 to W3: four bytes of the UUID in each, the first in bits 7:0. */
export function uuidWords(uuid: string): readonly bigint[] {
  const bytes = uuid.replaceAll("-", "").match(/../g)!.map((pair) => BigInt(`0x${pair}`));
  return [0, 4, 8, 12].map((at) => bytes[at] | bytes[at + 1] << 8n | bytes[at + 2] << 16n | bytes[at + 3] << 24n);
}
