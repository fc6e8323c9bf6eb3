/* Touches nothing's address in the first instruction of its own vector. */
#include "print.inc"
_start:
	adr	x0, vectors
	msr	vbar_el1, x0
	isb
	mov	x1, #0x5000000000
	print	"about to fault in the vector that handles faults"
	mov	x1, #0x5000000000
	ldr	x0, [x1]
	.balign	0x800
vectors:
	.rept	16
	.balign	0x80
	ldr	x0, [x1]
	eret
	.endr
