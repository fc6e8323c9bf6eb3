/* A handler that saves what it needs on the stack and then causes an exception itself, until the stack leaves the RAM. */
#include "print.inc"
_start:
	adr	x0, vectors
	msr	vbar_el1, x0
	mov	x0, #0x40010000		/* 64 KiB of stack */
	mov	sp, x0
	isb
	brk	#1
handler:
	stp	x0, x1, [sp, #-16]!
	mrs	x0, elr_el1
	mrs	x1, spsr_el1
	stp	x0, x1, [sp, #-16]!
	brk	#2
	eret
	vectors	handler
