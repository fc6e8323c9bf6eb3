/* Touches addresses where nothing is, and looks whether each gives the synchronous external abort that it should. */
#include "print.inc"
_start:
	adr	x0, vectors
	msr	vbar_el1, x0
	isb
	adr	x10, addresses
next:
	ldr	x11, [x10], #8
	cbz	x11, reads_done
	mov	x12, #0			/* exceptions seen */
	ldr	x0, [x11]
	cmp	x12, #1
	b.ne	failed
	ldr	x1, =0x96000010		/* data abort, same EL, read, synchronous external abort */
	cmp	x13, x1
	b.ne	failed
	mov	x12, #0
	str	x0, [x11]
	cmp	x12, #1
	b.ne	failed
	ldr	x1, =0x96000050		/* the same for a write */
	cmp	x13, x1
	b.ne	failed
	cmp	x14, x11
	b.ne	failed
	b	next
reads_done:
	/* And an instruction fetch: IFSC 0x10. The handler returns to X20. */
	mov	x11, #0x7000000000
	mov	x12, #0
	adr	x20, fetched
	br	x11
fetched:
	ldr	x1, =0x86000010
	cmp	x13, x1
	b.ne	failed
	cmp	x14, x11
	b.ne	failed
	print	"PASS unmapped"
	power_off
failed:
	print	"FAIL unmapped"
	power_off

handler:
	add	x12, x12, #1
	mrs	x13, esr_el1
	mrs	x14, far_el1
	cbnz	x20, 1f
	mrs	x15, elr_el1
	add	x15, x15, #4
	msr	elr_el1, x15
	eret
1:	msr	elr_el1, x20
	eret
	.balign	8
addresses:
	.quad	0x0a000000, 0x3ffffff8, 0x41000000, 0x80000000, 0xfffffff8, 0x100000000, 0x7ffffffff8, 0xfffffff000
	.quad	0
	vectors	handler
	.ltorg
