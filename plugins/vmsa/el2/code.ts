/**
 * The hypervisor's own instructions. The plugins are the hypervisor; what can't be theirs is code whose very fetch depends on the
 * translation that it changes. Each row: the word, and what it says (a test has the disassembler read it back).
 * The sequence of `switch_ttbr`: Arm ARM DDI 0487, "Using break-before-make when updating translation table entries": the table of a
 * live regime changes with the MMU off and nothing in the TLB.
 */

/** A routine: its name, and its instructions. */
export type Routine = readonly [name: string, rows: readonly (readonly [word: number, text: string])[]];

/** Executed with the MMU off, or through the identity map: in one page, and without anything relative to a linked address. */
export const identityCode: readonly Routine[] = [
  // A CPU comes up with the MMU off. X0: TTBR0_EL2, X1: MAIR_EL2, X2: TCR_EL2, X3: SCTLR_EL2, X4: where to go on.
  ["start", [
    [0xd51ca201, "msr mair_el2, x1"],
    [0xd51c2042, "msr tcr_el2, x2"],
    [0xd51c2000, "msr ttbr0_el2, x0"],
    [0xd5033fdf, "isb"],
    // What the TLB holds from before reset is UNKNOWN.
    [0xd503369f, "dsb nshst"],
    [0xd50c871f, "tlbi alle2"],
    [0xd503379f, "dsb nsh"],
    [0xd5033fdf, "isb"],
    [0xd508751f, "ic iallu"],
    [0xd503379f, "dsb nsh"],
    [0xd5033fdf, "isb"],
    [0xd51c1003, "msr sctlr_el2, x3"],
    [0xd5033fdf, "isb"],
    [0xd61f0080, "br x4"],
  ]],
  // X0: the new TTBR0_EL2. Returns to a virtual address that both tables map alike.
  ["switch_ttbr_id", [
    // Whoever wrote the new table has finished.
    [0xd5033b9f, "dsb ish"],
    [0xd5033fdf, "isb"],
    [0xd53c1009, "mrs x9, sctlr_el2"],
    [0x927ff929, "and x9, x9, #0xfffffffffffffffe"],
    [0xd51c1009, "msr sctlr_el2, x9"],
    [0xd5033fdf, "isb"],
    [0xd503369f, "dsb nshst"],
    [0xd50c871f, "tlbi alle2"],
    [0xd503379f, "dsb nsh"],
    [0xd5033fdf, "isb"],
    [0xd51c2000, "msr ttbr0_el2, x0"],
    [0xd5033fdf, "isb"],
    // The image may be another copy.
    [0xd508751f, "ic iallu"],
    [0xd5033fdf, "isb"],
    [0xd53c1009, "mrs x9, sctlr_el2"],
    [0xb2400129, "orr x9, x9, #0x1"],
    [0xd51c1009, "msr sctlr_el2, x9"],
    [0xd5033fdf, "isb"],
    [0xd65f03c0, "ret"],
  ]],
];

/** Executed at its linked address. */
export const linkedCode: readonly Routine[] = [
  // X0: the new TTBR0_EL2, X1: `switch_ttbr_id` in the identity map.
  ["switch_ttbr", [
    [0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"],
    [0xd63f0020, "blr x1"],
    [0xa8c17bfd, "ldp x29, x30, [sp], #16"],
    [0xd65f03c0, "ret"],
  ]],
  // WXN may be cached in a TLB. Arm ARM DDI 0487, "SCTLR_EL2".
  ["set_wxn", [
    [0xd53c1009, "mrs x9, sctlr_el2"],
    [0xb26d0129, "orr x9, x9, #0x80000"],
    [0xd51c1009, "msr sctlr_el2, x9"],
    [0xd5033fdf, "isb"],
    [0xd503369f, "dsb nshst"],
    [0xd50c871f, "tlbi alle2"],
    [0xd503379f, "dsb nsh"],
    [0xd5033fdf, "isb"],
    [0xd65f03c0, "ret"],
  ]],
  ["load", [
    [0xf9400000, "ldr x0, [x0]"],
    [0xd65f03c0, "ret"],
  ]],
  ["store", [
    [0xf9000001, "str x1, [x0]"],
    [0xd65f03c0, "ret"],
  ]],
  // Where EL2's code is when the plugins are EL2.
  ["parked", [
    [0x14000000, "b ."],
  ]],
];
