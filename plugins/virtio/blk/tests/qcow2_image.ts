/** qcow2 images for tests. */

/** An empty image of our own making: header, tables, and the counts of their clusters. */
export function emptyImage(sizeBytes: number, clusterBits = 16, version = 3): Uint8Array<ArrayBuffer> {
  const cluster = 2 ** clusterBits;
  const l1Entries = Math.max(1, Math.ceil(sizeBytes / (cluster * cluster / 8)));
  const l1Clusters = Math.ceil(8 * l1Entries / cluster);
  const bytes = new Uint8Array((3 + l1Clusters) * cluster);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x514649fb);
  view.setUint32(4, version);
  view.setUint32(20, clusterBits);
  view.setBigUint64(24, BigInt(sizeBytes));
  view.setUint32(36, l1Entries);
  view.setBigUint64(40, BigInt(3 * cluster));
  view.setBigUint64(48, BigInt(cluster));
  view.setUint32(56, 1);
  view.setUint32(96, 4);
  view.setUint32(100, 104);
  view.setBigUint64(cluster, BigInt(2 * cluster));
  for (let n = 0; n < 3 + l1Clusters; n++) view.setUint16(2 * cluster + 2 * n, 1);
  return bytes;
}
