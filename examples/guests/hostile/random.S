/*
 * Executes a page of whatever lies at the start of RAM, again and again: vectors go on
 * behind what faults, and stay in the page. Linked for 0x40200000.
 *
 * What to do comes from 0x40100000: a word of flags (1: at EL0, 2: with the MMU on), then from 0x10 on
 * values of X0 to X30 and SP, and from 0x200 on of V0 to V31.
 */
	.arch	armv8-a
	.text
	.global	_start
_start:
	adr	x0, vectors
	msr	vbar_el1, x0
	mov	x0, #0x300000		/* CPACR_EL1.FPEN */
	msr	cpacr_el1, x0
	isb
	movz	x10, #0x4010, lsl #16
	ldr	w11, [x10]
	movz	x12, #0x0705		/* AF, inner shareable, AttrIndx 1 (Normal), block, EL1 alone */
	mov	x13, #0x401		/* the same with AttrIndx 0 (Device) */
	tbz	w11, #0, 1f
	orr	x12, x12, #0x40		/* EL0 as well */
	orr	x13, x13, #0x40
1:	adr	x14, level1
	adr	x15, level2
	str	x13, [x14]		/* the first GiB: devices */
	orr	x16, x15, #3
	str	x16, [x14, #8]		/* the second: RAM */
	movz	x16, #0x4000, lsl #16
	orr	x17, x16, x12
	str	x17, [x15]		/* the page and what it may use */
	movz	x17, #0x4020, lsl #16
	movk	x17, #0x0705
	str	x17, [x15, #8]		/* this program: EL1 alone */
	movz	x17, #0x4040, lsl #16
	orr	x17, x17, x12
	str	x17, [x15, #16]
	msr	ttbr0_el1, x14
	msr	ttbr1_el1, x14
	mov	x17, #0xff00
	msr	mair_el1, x17
	movz	x17, #0x8019, lsl #16	/* T1SZ 25, TG1 4 KiB */
	movk	x17, #0x0019		/* T0SZ 25 */
	msr	tcr_el1, x17
	movz	x17, #0x30d5, lsl #16	/* UCI, UCT, UMA: EL0 may do more */
	movk	x17, #0xda00
	tbz	w11, #1, 2f
	orr	x17, x17, #1
2:	isb
	msr	sctlr_el1, x17
	isb
	msr	elr_el1, x16
	mov	x17, #0x3c5		/* EL1h, masked */
	tbz	w11, #0, 3f
	mov	x17, #0			/* EL0 */
3:	msr	spsr_el1, x17
	ldr	x17, [x10, #0x108]
	mov	sp, x17
	msr	sp_el0, x17
	add	x17, x10, #0x200
	ld1	{v0.16b-v3.16b}, [x17], #64
	ld1	{v4.16b-v7.16b}, [x17], #64
	ld1	{v8.16b-v11.16b}, [x17], #64
	ld1	{v12.16b-v15.16b}, [x17], #64
	ld1	{v16.16b-v19.16b}, [x17], #64
	ld1	{v20.16b-v23.16b}, [x17], #64
	ld1	{v24.16b-v27.16b}, [x17], #64
	ld1	{v28.16b-v31.16b}, [x17]
	mov	x30, x10
	ldp	x0, x1, [x30, #0x10]
	ldp	x2, x3, [x30, #0x20]
	ldp	x4, x5, [x30, #0x30]
	ldp	x6, x7, [x30, #0x40]
	ldp	x8, x9, [x30, #0x50]
	ldp	x10, x11, [x30, #0x60]
	ldp	x12, x13, [x30, #0x70]
	ldp	x14, x15, [x30, #0x80]
	ldp	x16, x17, [x30, #0x90]
	ldp	x18, x19, [x30, #0xa0]
	ldp	x20, x21, [x30, #0xb0]
	ldp	x22, x23, [x30, #0xc0]
	ldp	x24, x25, [x30, #0xd0]
	ldp	x26, x27, [x30, #0xe0]
	ldp	x28, x29, [x30, #0xf0]
	ldr	x30, [x30, #0x100]
	eret

	.balign	0x800
vectors:
	.rept	16
	.balign	0x80
	msr	tpidr_el1, x0
	mrs	x0, elr_el1
	add	x0, x0, #4
	and	x0, x0, #0xffc
	orr	x0, x0, #0x40000000
	msr	elr_el1, x0
	mrs	x0, tpidr_el1
	eret
	.endr
	.balign	4096
level1:
	.space	4096
level2:
	.space	4096
