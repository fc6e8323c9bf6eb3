/* Single accesses at EL1 and EL0, and what catches their exceptions: however one ends, it comes back to who tried. */

#include "kit.inc"

	.equ	USER_ALIAS, 0x40000000	/* from a PA to EL0's VA of it */

.macro caught
	.balign 0x80
	b	take_synchronous
.endm

	.text
	.balign 0x800
	.global translation_vectors
translation_vectors:
	unexpected 0
	unexpected 1
	unexpected 2
	unexpected 3
	caught			/* current EL with SP_ELx */
	unexpected 5
	unexpected 6
	unexpected 7
	caught			/* EL0 */
	unexpected 9
	unexpected 10
	unexpected 11
	unexpected 12
	unexpected 13
	unexpected 14
	unexpected 15

take_synchronous:
	mrs	x9, tpidr_el1		/* SP of who tried, or 0 */
	cbz	x9, 1f
	mov	sp, x9
	adrp	x10, caught_exception
	add	x10, x10, :lo12:caught_exception
	mrs	x11, esr_el1
	mrs	x12, far_el1
	stp	x11, x12, [x10]
	mrs	x11, elr_el1
	mrs	x12, spsr_el1
	stp	x11, x12, [x10, #16]
	adr	x11, tried
	msr	elr_el1, x11
	mov	x11, #0x3c5		/* EL1h, DAIF masked */
	msr	spsr_el1, x11
	eret
1:	mov	x0, #4
	b	fault

/* An exception comes back to who uses this. */
.macro catch_here
	save_callee_saved
	mov	x9, sp
	msr	tpidr_el1, x9
.endm

/* uint64_t try_el1(stub, address, value): X0 afterwards. */
	.global try_el1
try_el1:
	catch_here
	mov	x9, x0
	mov	x0, x1
	mov	x1, x2
	blr	x9
tried:	msr	tpidr_el1, xzr
	return_callee_saved

/* The same at EL0. */
	.global try_el0
try_el0:
	catch_here
	mov	x10, #USER_ALIAS
	add	x0, x0, x10
	msr	elr_el1, x0
	mov	x9, #0x3c0		/* EL0t, DAIF masked */
	msr	spsr_el1, x9
	mov	x0, x1
	mov	x1, x2
	eret

/* Stubs of 16 bytes: address in X0, value in X1, result in X0. */
.macro stubs back:vararg
.macro stub first:vararg
	.balign 16
	\first
	\back
.endm
.macro stub2 first, second, third:vararg
	.balign 16
	\first
	\second
	\third
	\back
.endm
	stub	ldrb w0, [x0]
	stub	ldrsh x0, [x0]
	stub	ldr w0, [x0]
	stub	ldr x0, [x0]
	stub2	"ldp x0, x2, [x0]", "eor x0, x0, x2"
	stub	ldr x2, [x0], #8
	stub	ldtr x0, [x0]
	stub	ldtrb w0, [x0]
	stub	ldar x0, [x0]
	stub	ldxr x0, [x0]
	stub2	"ldr q0, [x0]", "fmov x0, d0"
	stub2	"ld1 {v0.8b-v2.8b}, [x0]", "fmov x0, d2"
	stub2	"prfm pldl1keep, [x0]", "mov x0, #0"
	stub	br x0
	stub	strb w1, [x0]
	stub	strh w1, [x0]
	stub	str w1, [x0]
	stub	str x1, [x0]
	stub	stp x1, x1, [x0]
	stub	str x1, [x0, #8]!
	stub	sttr x1, [x0]
	stub	sttrh w1, [x0]
	stub	stlr x1, [x0]
	stub2	"ldxr x2, [x0]", "stxr w3, x1, [x0]", mov x0, x3
	stub2	"fmov d0, x1", "str q0, [x0]"
	stub	dc zva, x0
	.purgem	stub
	.purgem	stub2
.endm

	.balign 4096
	.global kernel_stubs, user_stubs
kernel_stubs:
	stubs	ret
	.balign 16
user_stubs:
	stubs	svc #0

	/* A test writes others into the image: seed, rounds, and the one that is told in full. */
	.section .rodata
	.balign 8
	.global parameters
parameters:
	.ascii	"settings"
	.quad	1, 40, -1

	.bss
	.balign 16
	.global caught_exception
caught_exception:
	.space	32
