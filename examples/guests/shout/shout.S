/* Says each letter back in the other case, and counts them in memory; q powers off. */
	.equ	UART, 0x09000000
	.equ	FLAGS, 0x18
	.equ	RECEIVER_EMPTY, 4
	.equ	CONTROL, 0x30

	.global	_start
_start:	mov	x0, #UART
	mov	w1, #0x301	/* UART on, both ways */
	str	w1, [x0, #CONTROL]
	adr	x3, letters
prompt:	mov	w1, #'>'
	str	w1, [x0]
	mov	w1, #' '
	str	w1, [x0]
wait:	ldr	w2, [x0, #FLAGS]
	tbnz	w2, #RECEIVER_EMPTY, wait
	ldr	w1, [x0]
	cmp	w1, #'q'
	b.eq	off
heard:	ldr	w4, [x3]
	add	w4, w4, #1
	str	w4, [x3]
	eor	w1, w1, #0x20
	str	w1, [x0]
	mov	w1, #'\n'
	str	w1, [x0]
	b	prompt
off:	movz	x0, #0x8400, lsl #16	/* PSCI SYSTEM_OFF */
	movk	x0, #8
	hvc	#0
	b	.
	.balign	8
letters: .word	0
