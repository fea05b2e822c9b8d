/* SPDX-License-Identifier: BSD-2-Clause */
/* What an accessor function says about the object it is given. Null rather than wrong: -ENOENT
 * when it is anything else. */
#ifndef APM_COLLECT_ACCESSOR_H
#define APM_COLLECT_ACCESSOR_H

#include "collect/symex.h"

/*
 * `return object->field`, on some path with a non-NULL object; its other paths may return constants or what
 * another function returned (an error code, a message). `sizes` are the sizes in bytes that are accepted,
 * added up. 0 with the offset, and the size in *size (may be NULL).
 */
int accessor_field(struct code *c, const struct elf_symbol *fn, uint8_t sizes, int32_t *off, uint8_t *size);

/*
 * `return object->array[index]`, where the index is the second argument: the offset of element `index`, of
 * `size` bytes. Its other paths as above.
 */
int accessor_element(struct code *c, const struct elf_symbol *fn, int64_t index, uint8_t size, int32_t *off);

/* `return &object->field`, on every path. */
int accessor_address(struct code *c, const struct elf_symbol *fn, int32_t *off);

/* `return constant`, the same on every path. */
int accessor_constant(struct code *c, const struct elf_symbol *fn, int64_t *value);

/*
 * `return object->bit`, where bit is one bit of a byte (or of a wider word of which it is in the lowest
 * byte): its byte's offset and its mask.
 */
int accessor_bit(struct code *c, const struct elf_symbol *fn, int32_t *off, int32_t *mask);

/* Keeps one answer: the first is taken, the same again is fine, another one spoils it. */
struct accessor_answer {
	int count; /* -1 = spoilt */
	int64_t value;
};
void accessor_answer_add(struct accessor_answer *a, int64_t value);
/* 1 when there is exactly one answer and it fits an offset, which goes to *off. */
int accessor_answer_get(const struct accessor_answer *a, int32_t *off);

#endif
