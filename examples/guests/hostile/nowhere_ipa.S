/* Jumps to where no memory is, with no vectors to tell of it. */
#include "print.inc"
_start:
	mov	x0, #0x7000000000
	br	x0
