/** What can't be saved or restored. */

/** A snapshot that isn't one, or not of this board, or not of this version; or a plugin's word that it has what no snapshot can hold. */
export class SnapshotError extends Error {
  /** For whoever compares names. */
  override readonly name = "SnapshotError";
}
