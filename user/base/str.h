/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte string that is not owned (struct str) and a growable one that is (struct strbuf). */
#ifndef APM_BASE_STR_H
#define APM_BASE_STR_H

#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>

/* Bytes somebody else owns. Not NUL-terminated; may be empty (ptr may then be NULL). */
struct str {
	const char *ptr;
	size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

struct str str_from(const char *cstr); /* NULL gives an empty str */
int str_eq(struct str a, struct str b);

/*
 * Owned, growable, always NUL-terminated once anything was added. Zero-initialise before use. A failed
 * allocation sets `failed` and later additions do nothing: check once at the end.
 */
struct strbuf {
	char *ptr;
	size_t len;
	size_t cap;
	int failed;
};

void strbuf_add(struct strbuf *buf, const void *bytes, size_t len);
void strbuf_adds(struct strbuf *buf, const char *cstr);
void strbuf_addc(struct strbuf *buf, char c);
void strbuf_addf(struct strbuf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_reset(struct strbuf *buf); /* empties, keeps the memory */
void strbuf_free(struct strbuf *buf);

/*
 * Appends `s` as text that is safe on a terminal and in JSON: invalid UTF-8 becomes U+FFFD, and control
 * characters (C0 but for \n and \t where keep_space is set, DEL, C1) become U+FFFD too.
 */
void strbuf_add_clean(struct strbuf *buf, struct str s, int keep_space);

/* Appends UTF-16 in host byte order (`bytes` of it) as UTF-8; half a pair of surrogates becomes U+FFFD. */
void strbuf_add_utf16(struct strbuf *buf, const void *utf16, size_t bytes);

/* 64-bit FNV-1a; `seed` chains calls (start with HASH_SEED). */
#define HASH_SEED 0xcbf29ce484222325ULL
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t len);
/* Mixes two 64-bit values; order matters. */
uint64_t hash_mix(uint64_t a, uint64_t b);

#endif
