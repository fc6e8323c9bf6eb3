/*
 * The kernels that are written by hand: each a loop whose instructions matter.
 * Called with the buffers in X0 and X1, which have BUFFER bytes each. One call is
 * some ten million instructions, or 64 MiB moved.
 */
	.equ	BUFFER, 8 << 20

.macro kernel name
	.global kernel_\name
	.balign 64
kernel_\name:
.endm

.macro load register, value
	movz	\register, #((\value) & 0xffff)
	movk	\register, #((\value) >> 16), lsl #16
.endm

	.text

/* The shortest loop there is. */
kernel loop
	load	x9, 10000000
1:	subs	x9, x9, #1
	b.ne	1b
	ret

/* Eight ALU instructions. */
kernel alu
	load	x9, 1000000
	mov	x2, #1
	mov	x3, #3
	mov	x4, #5
1:	add	x2, x2, x3
	eor	x4, x4, x2
	lsl	x5, x2, #3
	sub	x6, x5, x4
	and	x7, x6, #0x00ff00ff00ff00ff
	orr	x3, x7, #1
	add	w8, w2, w6, lsr #2
	bic	x10, x8, x7
	subs	x9, x9, #1
	b.ne	1b
	ret

/* Seven loads and stores, of several sizes. */
kernel loadstore
	load	x9, 1000000
1:	ldr	x2, [x0]
	ldp	x3, x4, [x0, #16]
	str	x2, [x1, #8]
	stp	x3, x4, [x1, #32]
	ldrb	w5, [x0, #5]
	strh	w5, [x1, #50]
	ldr	w6, [x1, #8]
	subs	x9, x9, #1
	b.ne	1b
	ret

/* Five instructions with a call and its return. */
kernel callreturn
	mov	x10, x30
	load	x9, 2000000
1:	bl	leaf
	subs	x9, x9, #1
	b.ne	1b
	mov	x30, x10
	ret
leaf:	add	x0, x0, #1
	ret

/* Double precision: fused multiply-add, add, multiply. Results are inexact, and stay in range. */
kernel fp
	load	x9, 2000000
	fmov	d0, #1.0
	fmov	d1, #1.5
	fmov	d2, #0.25
	fmov	d3, #3.0
	fmov	d5, #1.0
	mov	x2, #1000
	ucvtf	d4, x2
	fdiv	d4, d1, d4		/* 0.0015 */
	mov	x2, #0x3ff0000000000000
	orr	x2, x2, #0xff
	fmov	d6, x2			/* a little above 1 */
1:	fmadd	d0, d1, d4, d0
	fadd	d3, d3, d4
	fmul	d5, d5, d6
	subs	x9, x9, #1
	b.ne	1b
	ret

/* 64 MiB from one buffer to the other. */
kernel memcpy
	mov	x9, #8
1:	mov	x2, x0
	mov	x3, x1
	load	x4, BUFFER
2:	ldp	x5, x6, [x2], #16
	ldp	x7, x8, [x2], #16
	stp	x5, x6, [x3], #16
	stp	x7, x8, [x3], #16
	subs	x4, x4, #32
	b.ne	2b
	subs	x9, x9, #1
	b.ne	1b
	ret

/* 64 MiB zeroed, by blocks of what DCZID_EL0 says. */
kernel memset
	mrs	x5, dczid_el0
	and	x5, x5, #15
	mov	x6, #4
	lsl	x5, x6, x5
	mov	x9, #8
1:	mov	x2, x0
	load	x4, BUFFER
2:	dc	zva, x2
	add	x2, x2, x5
	subs	x4, x4, x5
	b.ne	2b
	subs	x9, x9, #1
	b.ne	1b
	ret

/* 200,000 loads from 2,048 pages in turn: more than a software TLB holds. */
kernel tlbmiss
	load	x9, 200000
	mov	x3, #0
1:	ldr	x2, [x0, x3]
	add	x3, x3, #4096
	and	x3, x3, #(BUFFER - 1)
	subs	x9, x9, #1
	b.ne	1b
	ret

/*
 * Two 64 by 64 matrices of doubles multiplied, 8 times. A is at X0, B at X1, the product behind A. Values are no powers of two,
 * so that sums are rounded.
 */
	.equ	N, 64
.macro matrices
	add	x2, x0, #(N * N * 8)	/* the product */
	mov	x3, #(N * N)
	mov	x4, #1000
	ucvtf	d4, x4
	fmov	d3, #1.0
	fdiv	d4, d3, d4
	mov	x5, x0
	mov	x6, x1
1:	str	d3, [x5], #8
	str	d3, [x6], #8
	fadd	d3, d3, d4
	subs	x3, x3, #1
	b.ne	1b
	mov	x9, #8
.endm

/* Row by column. */
kernel matmul
	matrices
2:	mov	x10, #0
	mov	x7, x2
3:	mov	x11, #0
4:	add	x5, x0, x10, lsl #9
	add	x6, x1, x11, lsl #3
	movi	d0, #0
	mov	x3, #N
5:	ldr	d1, [x5], #8
	ldr	d2, [x6]
	add	x6, x6, #(N * 8)
	fmadd	d0, d1, d2, d0
	subs	x3, x3, #1
	b.ne	5b
	str	d0, [x7], #8
	add	x11, x11, #1
	cmp	x11, #N
	b.ne	4b
	add	x10, x10, #1
	cmp	x10, #N
	b.ne	3b
	subs	x9, x9, #1
	b.ne	2b
	ret

/* A row of the product at once, two vectors of two a turn. */
kernel matmulneon
	matrices
2:	mov	x10, #0
	mov	x5, x0
3:	add	x7, x2, x10, lsl #9
	movi	v0.2d, #0
	mov	x3, #(N / 4)
4:	stp	q0, q0, [x7], #32
	subs	x3, x3, #1
	b.ne	4b
	mov	x11, #N
	mov	x6, x1
5:	ld1r	{v4.2d}, [x5], #8
	add	x7, x2, x10, lsl #9
	mov	x3, #(N / 4)
6:	ldp	q1, q2, [x6], #32
	ldp	q16, q17, [x7]
	fmla	v16.2d, v1.2d, v4.2d
	fmla	v17.2d, v2.2d, v4.2d
	stp	q16, q17, [x7], #32
	subs	x3, x3, #1
	b.ne	6b
	subs	x11, x11, #1
	b.ne	5b
	add	x10, x10, #1
	cmp	x10, #N
	b.ne	3b
	subs	x9, x9, #1
	b.ne	2b
	ret
