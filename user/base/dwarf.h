/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the numbers of DWARF data. Formats: DWARF 5, 7.6; Linux Standard Base 5.0 core,
 * 10.5.1 (pointer encodings). */
#ifndef APM_BASE_DWARF_H
#define APM_BASE_DWARF_H

#include <stddef.h>
#include <stdint.h>

enum pointer_encoding {
	PE_ABSPTR = 0x00,
	PE_ULEB128 = 0x01,
	PE_UDATA2 = 0x02,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SLEB128 = 0x09,
	PE_SDATA2 = 0x0a,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30,
	PE_OMIT = 0xff,
};

/* A bounds-checked reader. After a read past the end `bad` is set and every read gives 0. */
struct dwarf {
	const uint8_t *p, *end;
	uint64_t addr; /* st_value address of p */
	int bad;
};

void dwarf_skip(struct dwarf *c, uint64_t n);
uint64_t dwarf_number(struct dwarf *c, size_t n); /* little-endian, n <= 8 bytes */
uint64_t dwarf_uleb(struct dwarf *c);
int64_t dwarf_sleb(struct dwarf *c);
/* The value of a pointer encoding, without what it is relative to. */
uint64_t dwarf_encoded(struct dwarf *c, uint8_t encoding);
/* An encoded address. `data` is what PE_DATAREL counts from; 0 = not allowed here. */
uint64_t dwarf_address(struct dwarf *c, uint8_t encoding, uint64_t data);

#endif
