/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/dwarf.h"

void dwarf_skip(struct dwarf *c, uint64_t n)
{
	if (n > (uint64_t)(c->end - c->p)) {
		c->bad = 1;
		n = (uint64_t)(c->end - c->p);
	}
	c->p += n;
	c->addr += n;
}

uint64_t dwarf_number(struct dwarf *c, size_t n)
{
	const uint8_t *p = c->p;
	uint64_t value = 0;
	size_t i;

	dwarf_skip(c, n);
	if (c->bad)
		return 0;
	for (i = 0; i < n; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

static uint64_t dwarf_leb(struct dwarf *c, int is_signed)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)dwarf_number(c, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) && !c->bad);
	if (is_signed && (byte & 0x40) && shift < 64)
		value |= ~0ULL << shift;
	return value;
}

uint64_t dwarf_uleb(struct dwarf *c)
{
	return dwarf_leb(c, 0);
}

int64_t dwarf_sleb(struct dwarf *c)
{
	return (int64_t)dwarf_leb(c, 1);
}

uint64_t dwarf_encoded(struct dwarf *c, uint8_t encoding)
{
	switch (encoding & 0x0f) {
	case PE_ABSPTR:
	case PE_UDATA8:
	case PE_SDATA8:
		return dwarf_number(c, 8);
	case PE_ULEB128:
		return dwarf_uleb(c);
	case PE_SLEB128:
		return (uint64_t)dwarf_sleb(c);
	case PE_UDATA2:
		return dwarf_number(c, 2);
	case PE_SDATA2:
		return (uint64_t)(int16_t)dwarf_number(c, 2);
	case PE_UDATA4:
		return dwarf_number(c, 4);
	case PE_SDATA4:
		return (uint64_t)(int32_t)dwarf_number(c, 4);
	}
	c->bad = 1;
	return 0;
}

uint64_t dwarf_address(struct dwarf *c, uint8_t encoding, uint64_t data)
{
	uint64_t at = c->addr, value = dwarf_encoded(c, encoding);

	switch (encoding & 0xf0) {
	case PE_ABSPTR:
		return value;
	case PE_PCREL:
		return value + at;
	case PE_DATAREL:
		if (data)
			return value + data;
	}
	c->bad = 1;
	return 0;
}
