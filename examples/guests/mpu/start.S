/*
 * Entry, exception vectors, and accesses that may fault, for the MPU guest.
 * The header is the arm64 Image header of Linux's "Booting AArch64 Linux".
 */
	.section .head, "ax"
	.global _start
_start:
	b	primary
	.long	0
	.quad	0			/* text_offset */
	.quad	_scratch_end - _start	/* image_size */
	.quad	0xa			/* little-endian, 4 KiB pages, placed anywhere */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

	.text
primary:
	movz	x0, #0x30d0, lsl #16	/* RES1 bits of SCTLR_EL1; MPU, caches and alignment checks off */
	movk	x0, #0x0800
	msr	sctlr_el1, x0
	adr	x0, vectors
	msr	vbar_el1, x0
	isb
	adrp	x0, __bss_start
	adrp	x1, _end
1:	str	xzr, [x0], #8
	cmp	x0, x1
	b.lo	1b
	adrp	x0, stack_end
	add	x0, x0, :lo12:stack_end
	mov	sp, x0
	bl	main
1:	wfi
	b	1b

/*
 * struct fault try_…(address): X0 is ESR_EL1 and X1 FAR_EL1 of what the access met, 0 if nothing.
 * The vector leaves them in X9 and X10 and goes on after the access.
 */
	.macro attempt name, instruction:vararg
	.global \name
\name:
	mov	x9, #0
	mov	x10, #0
	\instruction
	mov	x0, x9
	mov	x1, x10
	ret
	.endm

	attempt	try_read8, ldrb w2, [x0]
	attempt	try_read64, ldr x2, [x0]
	attempt	try_write8, strb wzr, [x0]

	.global try_execute
try_execute:
	mov	x9, #0
	mov	x10, #0
	mov	x11, x30
	blr	x0
	mov	x30, x11
	mov	x0, x9
	mov	x1, x10
	ret

	.global hvc
hvc:
	hvc	#0
	ret

	.balign 2048
vectors:
	.macro	vector label
	.balign	128
	b	\label
	.endm
	.rept	4
	vector	.			/* current EL with SP_EL0: never */
	.endr
	vector	synchronous
	.rept	11
	vector	.
	.endr

synchronous:
	mrs	x9, esr_el1
	mrs	x10, far_el1
	lsr	x12, x9, #26
	cmp	x12, #0x21		/* an instruction abort: back to the caller */
	b.eq	1f
	mrs	x12, elr_el1
	add	x12, x12, #4
	msr	elr_el1, x12
	eret
1:	msr	elr_el1, x30
	eret

	.bss
	.balign	16
	.skip	4096
stack_end:
