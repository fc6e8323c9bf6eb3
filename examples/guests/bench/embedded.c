/* What programs on small machines do: lists that are sorted and searched, integer matrices, a state machine that reads numbers. */
#include <stddef.h>
#include <stdint.h>

struct node {
	struct node *next;
	int16_t key, value;
};

static uint32_t random_state;

static uint32_t random_number(void)
{
	return (random_state = random_state * 1664525 + 1013904223) >> 8;
}

static struct node *merge(struct node *a, struct node *b)
{
	struct node head, *last = &head;
	while (a && b) {
		if (a->key <= b->key) {
			last->next = a;
			last = a;
			a = a->next;
		} else {
			last->next = b;
			last = b;
			b = b->next;
		}
	}
	last->next = a ? a : b;
	return head.next;
}

static struct node *sort_list(struct node *list)
{
	if (!list || !list->next)
		return list;
	struct node *slow = list, *fast = list->next;
	while (fast && fast->next) {
		slow = slow->next;
		fast = fast->next->next;
	}
	struct node *half = slow->next;
	slow->next = NULL;
	return merge(sort_list(list), sort_list(half));
}

/* A list of 400: searched, turned around, sorted by key. */
uint64_t kernel_list(struct node *nodes)
{
	enum { LENGTH = 400, TURNS = 40 };
	uint64_t sum = 0;
	random_state = 1;
	for (int turn = 0; turn < TURNS; turn++) {
		struct node *list = NULL;
		for (int i = 0; i < LENGTH; i++) {
			struct node *node = &nodes[i * 7 % LENGTH];
			node->key = (int16_t)random_number();
			node->value = (int16_t)i;
			node->next = list;
			list = node;
		}
		for (int i = 0; i < 40; i++) {
			int wanted = (int)(random_number() % LENGTH);
			struct node *found = list;
			while (found && found->value != wanted)
				found = found->next;
			sum += found ? (uint64_t)found->key : 1;
			struct node *turned = NULL;
			while (list) {
				struct node *next = list->next;
				list->next = turned;
				turned = list;
				list = next;
			}
			list = turned;
		}
		list = sort_list(list);
		for (int i = 0; list; list = list->next)
			sum = sum * 31 + (uint64_t)(list->key ^ i++);
	}
	return sum;
}

/* Products of 16-bit matrices with 32-bit sums, and parts of them that lie within bits. */
uint64_t kernel_matrix(int16_t *a, int16_t *b)
{
	enum { N = 48, TURNS = 8 };
	static int32_t c[N * N];
	uint64_t sum = 0;
	random_state = 2;
	for (int i = 0; i < N * N; i++) {
		a[i] = (int16_t)random_number();
		b[i] = (int16_t)random_number();
	}
	for (int turn = 0; turn < TURNS; turn++) {
		for (int i = 0; i < N; i++) {
			for (int j = 0; j < N; j++) {
				int32_t total = 0;
				for (int k = 0; k < N; k++) {
					int32_t product = (int32_t)a[i * N + k] * b[k * N + j];
					total += (product >> 2 & 15) * (product >> 5 & 127);
				}
				c[i * N + j] = total;
			}
		}
		for (int i = 0; i < N * N; i++) {
			sum += (uint64_t)c[i];
			a[i] = (int16_t)(a[i] + c[i]);
		}
	}
	return sum;
}

enum state { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, SCIENTIFIC, INVALID, STATES };

static enum state next_state(enum state state, unsigned char c)
{
	int is_digit = c >= '0' && c <= '9';
	switch (state) {
	case START:
		return is_digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : INVALID;
	case SIGN:
		return is_digit ? INTEGER : c == '.' ? POINT : INVALID;
	case INTEGER:
		return is_digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID;
	case POINT:
	case FRACTION:
		return is_digit ? FRACTION : c == 'e' && state == FRACTION ? EXPONENT : INVALID;
	case EXPONENT:
		return is_digit ? SCIENTIFIC : c == '+' || c == '-' ? EXPONENT_SIGN : INVALID;
	case EXPONENT_SIGN:
	case SCIENTIFIC:
		return is_digit ? SCIENTIFIC : INVALID;
	default:
		return INVALID;
	}
}

/* 4 KiB of numbers and what looks like numbers, read 60 times and spoilt a little each time. */
uint64_t kernel_state(unsigned char *text)
{
	static const char words[] = "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,-87e+832,+0.6e-12,T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^,";
	enum { SIZE = 4096, TURNS = 60 };
	uint32_t counts[STATES] = {0};
	uint64_t sum = 0;
	for (int i = 0; i < SIZE; i++)
		text[i] = (unsigned char)words[i % (sizeof words - 1)];
	for (int turn = 0; turn < TURNS; turn++) {
		enum state state = START;
		for (int i = 0; i < SIZE; i++) {
			if (text[i] == ',') {
				counts[state]++;
				state = START;
			} else
				state = next_state(state, text[i]);
		}
		for (int i = turn; i < SIZE; i += 97)
			if (text[i] != ',')
				text[i] ^= (unsigned char)(turn & 3);
	}
	for (int i = 0; i < STATES; i++)
		sum = sum * 31 + counts[i];
	return sum;
}
