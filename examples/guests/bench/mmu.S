/*
 * The MMU and caches on, with VA = PA: device memory in the first gigabyte, RAM in
 * the second as 2 MiB blocks of cacheable memory. The third gigabyte is the RAM once
 * more, read-only at both levels, so that EL0 has code to run: what EL0 may write,
 * EL1 may not execute.
 * Arm ARM DDI 0487, "VMSAv8-64 translation table format descriptors".
 */
	.equ	TABLE, 3
	.equ	BLOCK, 1
	.equ	AF, 1 << 10
	.equ	INNER_SHAREABLE, 3 << 8
	.equ	READ_ONLY_BOTH, 3 << 6		/* AP */
	.equ	DEVICE, 0 << 2			/* AttrIndx */
	.equ	NORMAL, 1 << 2

	.text
	.global mmu_on
mmu_on:
	adrp	x0, level1
	adrp	x1, level2
	mov	x2, #(DEVICE | AF | BLOCK)
	str	x2, [x0]
	orr	x2, x1, #TABLE
	str	x2, [x0, #8]
	mov	x3, #0x40000000
	mov	x4, #(INNER_SHAREABLE | NORMAL | AF | BLOCK)
	orr	x2, x3, x4
	orr	x5, x2, #READ_ONLY_BOTH
	str	x5, [x0, #16]
	mov	x5, #512
1:	str	x2, [x1], #8
	add	x2, x2, #0x200000
	subs	x5, x5, #1
	b.ne	1b

	mov	x1, #0xff00			/* Attr1: write-back; Attr0: Device-nGnRnE */
	msr	mair_el1, x1
	/* TCR_EL1: T0SZ 25 (39 bits), walks write-back and inner shareable, EPD1. */
	movz	x1, #0x0080, lsl #16
	movk	x1, #(25 | 1 << 8 | 1 << 10 | 3 << 12)
	msr	tcr_el1, x1
	msr	ttbr0_el1, x0
	dsb	sy
	tlbi	vmalle1
	ic	iallu
	dsb	sy
	isb
	/* SCTLR_EL1: RES1 bits, EL0's DC ZVA and cache maintenance, I, C, M. */
	movz	x1, #0x30d0, lsl #16
	movk	x1, #0x1805
	msr	sctlr_el1, x1
	isb
	ret

	.bss
	.balign 4096
level1:	.space	4096
level2:	.space	4096
