/* The same, but the fault comes in a handler that the vector branches to. */
#include "print.inc"
_start:
	adr	x0, vectors
	msr	vbar_el1, x0
	isb
	mov	x1, #0x5000000000
	ldr	x0, [x1]
handler:
	mrs	x2, esr_el1
	mrs	x3, far_el1
	add	x4, x4, #1
	ldr	x0, [x1]
	eret
	vectors	handler
