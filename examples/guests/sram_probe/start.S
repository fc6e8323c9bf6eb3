/*
 * Entry, vectors and the accesses of the SRAM probe.
 */

#include "kit.inc"

	image_header start
start:
	clear_bss
	adr	x0, vectors
	msr	vbar_el1, x0
	isb
	adrp	x0, stack_end
	add	x0, x0, :lo12:stack_end
	mov	sp, x0
	bl	main
	/* PSCI SYSTEM_OFF. */
	movz	x0, #0x8400, lsl #16
	movk	x0, #8
	hvc	#0
1:	wfi
	b	1b

/* enable_mmu(x0: MAIR, x1: TCR, x2: TTBR0). RAM stays where it is. */
	.global enable_mmu
enable_mmu:
	msr	mair_el1, x0
	msr	tcr_el1, x1
	msr	ttbr0_el1, x2
	isb
	tlbi	vmalle1
	dsb	nsh
	isb
	movz	x0, #0x30d0, lsl #16	/* RES1 bits; A stays clear */
	movk	x0, #0x1805		/* I, C, M */
	msr	sctlr_el1, x0
	isb
	ret

/*
 * The accesses. X0: address. Each returns 0 when it works, a small number when the
 * result is wrong, and ESR_EL1 when it faults: the handler returns in its place.
 */
	.global store_word
store_word:
	str	w1, [x0]
	mov	x0, #0
	ret

	.global store_unaligned
store_unaligned:
	movz	x1, #0x1234
	movk	x1, #0x5678, lsl #32
	str	x1, [x0, #1]
	ldr	x2, [x0, #1]
	cmp	x1, x2
	cset	x0, ne
	ret

	.global store_pair
store_pair:
	mov	x1, #0x55
	mov	x2, #0x66
	stp	x1, x2, [x0]
	ldp	x3, x4, [x0]
	cmp	x1, x3
	ccmp	x2, x4, #0, eq
	cset	x0, ne
	ret

	.global exclusive
exclusive:
	mov	x3, #16
1:	ldxr	x1, [x0]
	add	x1, x1, #1
	stxr	w2, x1, [x0]
	cbz	w2, 2f
	subs	x3, x3, #1
	b.ne	1b
	mov	x0, #2			/* no store succeeded */
	ret
2:	ldr	x2, [x0]
	cmp	x1, x2
	cset	x0, ne
	ret

	.global zero_block
zero_block:
	mov	x1, #-1
	str	x1, [x0, #8]
	dc	zva, x0
	ldr	x1, [x0, #8]
	cmp	x1, #0
	cset	x0, ne
	ret

/* What lies there returns 0 in X0. */
	.global fetch
fetch:
	br	x0

	.balign 0x800
vectors:
	.rept 4
	.balign 0x80
	b	.
	.endr
	.balign 0x80		/* current EL with SP_ELx: synchronous */
	mrs	x0, esr_el1
	msr	elr_el1, x30
	eret
	.rept 11
	.balign 0x80
	b	.
	.endr

	.bss
	.balign 16
	.space	4096
stack_end:
