/* Turns the MMU on and jumps to a VA that no table knows. Its vectors aren't mapped either. */
#include "print.inc"
_start:
	/* One level 1 block: 1 GiB of Normal memory at 0x40000000; T0SZ 25, 4 KiB granule. */
	adr	x0, table
	movz	x1, #0x4000, lsl #16
	movk	x1, #0x0705		/* AF, inner shareable, AttrIndx 1, block */
	str	x1, [x0, #8]
	msr	ttbr0_el1, x0
	mov	x1, #0xff00
	msr	mair_el1, x1
	movz	x1, #25
	movk	x1, #0x0080, lsl #16	/* EPD1 */
	msr	tcr_el1, x1
	movz	x1, #0x30d0, lsl #16
	movk	x1, #0x1805		/* M, C, I */
	isb
	msr	sctlr_el1, x1
	isb
	movz	x0, #0x12, lsl #32
	movk	x0, #0x3400, lsl #16
	blr	x0
	.balign	4096
table:
	.space	4096
