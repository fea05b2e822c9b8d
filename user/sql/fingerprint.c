/* SPDX-License-Identifier: BSD-2-Clause */
/* Hashes: of the normalised text (fixed for all machines) and of the literals (keyed). */
#include "sql/internal.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* Odd constants with about half of their bits set; part of the fingerprint's definition. */
#define MUL_A 0x9e3779b97f4a7c15ULL
#define MUL_B 0xd6e8feb86659fd93ULL
#define MUL_C 0xa0761d6478bd642fULL

/* Both halves of the 128-bit product: every input bit reaches every output bit. */
static uint64_t fold_multiply(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load_word(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

static uint64_t load_tail(const char *p, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)(uint8_t)p[i] << (8 * i);
	return word;
}

/* Adds text[0..len) to `state`; the length goes in too, so that "ab","c" and "a","bc" differ. */
static uint64_t absorb(uint64_t state, uint64_t key, const char *text, size_t len)
{
	size_t left = len;

	for (; left >= 16; left -= 16, text += 16)
		state = fold_multiply(load_word(text) ^ state, load_word(text + 8) ^ key);
	if (left >= 8) {
		state = fold_multiply(load_word(text) ^ state, key);
		text += 8;
		left -= 8;
	}
	return fold_multiply(load_tail(text, left) ^ state, key ^ (len * MUL_C));
}

uint64_t sql_fingerprint_of(const char *text, size_t len)
{
	return fold_multiply(absorb(MUL_A, MUL_B, text, len) ^ MUL_C, MUL_B);
}

void sql_literals_init(struct sql_literals *lit, const uint64_t key[2])
{
	lit->state = key[0] ^ MUL_A;
	lit->key = fold_multiply(key[1] ^ MUL_B, MUL_C);
	lit->count = 0;
}

void sql_literals_add(struct sql_literals *lit, const char *text, size_t len)
{
	lit->state = absorb(lit->state, lit->key, text, len);
	lit->count++;
}

uint64_t sql_literals_hash(const struct sql_literals *lit)
{
	uint64_t hash;

	if (!lit->count)
		return 0;
	hash = fold_multiply(lit->state ^ MUL_C, lit->key ^ MUL_A);
	return hash ? hash : 1;
}

uint32_t sql_version(void)
{
	return 2;
}

void sql_fingerprint_format(uint64_t fingerprint, char out[17])
{
	for (int i = 15; i >= 0; i--, fingerprint >>= 4)
		out[i] = "0123456789abcdef"[fingerprint & 15];
	out[16] = '\0';
}

int sql_fingerprint_parse(const char *text, uint64_t *fingerprint)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < 16 && text[i]; i++) {
		char c = text[i];
		int digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		else
			return -EINVAL;
		value = value << 4 | (uint64_t)digit;
	}
	if (i != 16 || text[16])
		return -EINVAL;
	*fingerprint = value;
	return 0;
}
