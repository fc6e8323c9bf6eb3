/** Memory of random tests. */

/** Guest RAM. */
export const RAM = { at: 0x4000_0000, size: 0x10_0000 } as const;
