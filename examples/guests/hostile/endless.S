/* Does nothing, forever. */
#include "print.inc"
_start:
	print	"about to loop forever"
	b	.
