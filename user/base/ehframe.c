/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/ehframe.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#define MAX_TABLE (64UL << 20)

/* The tables of one file. */
struct cfi_table {
	struct dwarf frames; /* .eh_frame */
	struct dwarf header; /* .eh_frame_hdr; p is NULL when there is none */
	struct cfi_registers registers;
};

/* Takes one entry off c: *entry covers what follows the length. 1; 0 at the end; -EBADMSG. */
static int next_entry(struct dwarf *c, struct dwarf *entry)
{
	uint64_t len;

	if (c->p == c->end)
		return 0;
	len = dwarf_number(c, 4);
	if (len == 0xffffffff)
		len = dwarf_number(c, 8);
	if (c->bad || len > (uint64_t)(c->end - c->p))
		return -EBADMSG;
	*entry = *c;
	entry->end = c->p + len;
	dwarf_skip(c, len);
	return len != 0;
}

static int parse_augmentation(const char *aug, struct dwarf *c, struct cfi_cie *out)
{
	struct dwarf data = *c;
	uint64_t len;
	uint8_t encoding;

	if (*aug == '\0')
		return 0;
	if (*aug != 'z')
		return -ENOTSUP;
	out->augmented = 1;
	len = dwarf_uleb(c);
	data = *c;
	dwarf_skip(c, len);
	data.end = c->p;
	while (*++aug) {
		switch (*aug) {
		case 'R':
			out->encoding = (uint8_t)dwarf_number(&data, 1);
			break;
		case 'P':
			encoding = (uint8_t)dwarf_number(&data, 1);
			dwarf_encoded(&data, encoding);
			break;
		case 'L':
			dwarf_skip(&data, 1);
			break;
		case 'S': /* a signal handler's frame */
		case 'B': /* arm64: return addresses are signed with key B */
		case 'G': /* arm64: a frame with tagged memory */
			break;
		default:
			return -ENOTSUP;
		}
	}
	return data.bad ? -EBADMSG : 0;
}

static int parse_cie(struct dwarf c, const struct cfi_registers *registers, struct cfi_cie *out)
{
	const char *aug;
	uint64_t version, ra;
	int ret;

	*out = (struct cfi_cie){.encoding = PE_ABSPTR};
	if (dwarf_number(&c, 4) != 0) /* not a CIE */
		return -EBADMSG;
	version = dwarf_number(&c, 1);
	aug = (const char *)c.p;
	dwarf_skip(&c, strnlen(aug, (size_t)(c.end - c.p)) + 1);
	if (c.bad)
		return -EBADMSG;
	if (version != 1 && version != 3)
		return -ENOTSUP;
	out->code_align = dwarf_uleb(&c);
	out->data_align = dwarf_sleb(&c);
	ra = version == 1 ? dwarf_number(&c, 1) : dwarf_uleb(&c);
	if (ra != registers->ra)
		return -ENOTSUP;
	ret = parse_augmentation(aug, &c, out);
	out->program = c;
	return ret ? ret : c.bad ? -EBADMSG : 0;
}

/* `c` covers an entry of t->frames. -ENOENT when it is a CIE. */
static int parse_fde(const struct cfi_table *t, struct dwarf c, struct cfi_fde *out)
{
	struct dwarf cie = t->frames, entry;
	uint64_t at = (uint64_t)(c.p - t->frames.p), back = dwarf_number(&c, 4);
	int ret;

	if (c.bad)
		return -EBADMSG;
	if (back == 0)
		return -ENOENT;
	if (back > at)
		return -EBADMSG;
	dwarf_skip(&cie, at - back);
	ret = next_entry(&cie, &entry);
	if (ret <= 0)
		return -EBADMSG;
	ret = parse_cie(entry, &t->registers, &out->cie);
	if (ret)
		return ret;
	out->start = dwarf_address(&c, out->cie.encoding, 0);
	out->end = out->start + dwarf_encoded(&c, out->cie.encoding);
	if (out->cie.augmented)
		dwarf_skip(&c, dwarf_uleb(&c));
	out->program = c;
	return c.bad || out->end < out->start ? -EBADMSG : 0;
}

static int machine_registers(uint16_t machine, struct cfi_registers *out)
{
	switch (machine) {
	case EM_X86_64:
		*out = (struct cfi_registers){.sp = 7, .fp = 6, .ra = 16};
		return 0;
	case EM_AARCH64:
		*out = (struct cfi_registers){.sp = 31, .fp = 29, .ra = 30};
		return 0;
	}
	return -ENOTSUP;
}

/* ---- finding the FDE ---- */

static const uint8_t *header_bytes(struct elf_file *f, size_t *len, uint64_t *addr)
{
	const uint8_t *bytes = elf_section(f, ".eh_frame_hdr", len, addr);

	uint64_t size;

	if (bytes || elf_segment(f, PT_GNU_EH_FRAME, addr, &size))
		return bytes;
	return elf_bytes(f, *addr, size < MAX_TABLE ? size : MAX_TABLE, len);
}

static int table_open(struct elf_file *f, struct cfi_table *t)
{
	const uint8_t *bytes;
	uint64_t addr;
	size_t len;
	int ret;

	*t = (struct cfi_table){0};
	ret = machine_registers(elf_machine(f), &t->registers);
	if (ret)
		return ret;
	bytes = header_bytes(f, &len, &addr);
	if (bytes)
		t->header = (struct dwarf){.p = bytes, .end = bytes + len, .addr = addr};
	bytes = elf_section(f, ".eh_frame", &len, &addr);
	if (!bytes && t->header.p) {
		struct dwarf c = t->header;
		uint8_t version = (uint8_t)dwarf_number(&c, 1), encoding = (uint8_t)dwarf_number(&c, 1);

		dwarf_skip(&c, 2);
		addr = dwarf_address(&c, encoding, t->header.addr);
		if (version != 1 || c.bad)
			return -EBADMSG;
		bytes = elf_bytes(f, addr, MAX_TABLE, &len);
	}
	if (!bytes)
		return -ENOENT;
	t->frames = (struct dwarf){.p = bytes, .end = bytes + len, .addr = addr};
	return 0;
}

/*
 * The entry of the last FDE that starts at or before addr, by the header's binary search table. 0, -ENOENT;
 * -ENOTSUP when there is no table of the usual form (pairs of 32-bit offsets from the header).
 */
static int search_header(const struct cfi_table *t, uint64_t addr, struct dwarf *entry)
{
	struct dwarf c = t->header, frames = t->frames, at;
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	uint64_t count, low, high, fde;

	if (!c.p)
		return -ENOTSUP;
	version = (uint8_t)dwarf_number(&c, 1);
	frame_encoding = (uint8_t)dwarf_number(&c, 1);
	count_encoding = (uint8_t)dwarf_number(&c, 1);
	table_encoding = (uint8_t)dwarf_number(&c, 1);
	if (version != 1 || count_encoding == PE_OMIT || table_encoding != (PE_DATAREL | PE_SDATA4))
		return -ENOTSUP;
	dwarf_encoded(&c, frame_encoding);
	count = dwarf_encoded(&c, count_encoding);
	if (c.bad)
		return -ENOTSUP;
	if (count > (uint64_t)(c.end - c.p) / 8)
		count = (uint64_t)(c.end - c.p) / 8;
	for (low = 0, high = count; low < high;) {
		uint64_t mid = low + (high - low) / 2;

		at = c;
		dwarf_skip(&at, mid * 8);
		if (dwarf_address(&at, table_encoding, t->header.addr) <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return -ENOENT;
	at = c;
	dwarf_skip(&at, (low - 1) * 8 + 4);
	fde = dwarf_address(&at, table_encoding, t->header.addr);
	if (fde < frames.addr || fde - frames.addr >= (uint64_t)(frames.end - frames.p))
		return -EBADMSG;
	dwarf_skip(&frames, fde - frames.addr);
	return next_entry(&frames, entry) == 1 ? 0 : -EBADMSG;
}

/* Goes through all entries: for files without a usable header. */
static int search_linear(const struct cfi_table *t, uint64_t addr, struct cfi_fde *out)
{
	struct dwarf c = t->frames, entry;
	int ret;

	/* A zero length ends the entries of one input file; statically linked
	 * programs have more behind it. */
	while (c.p < c.end) {
		ret = next_entry(&c, &entry);
		if (ret < 0)
			return ret;
		if (ret && !parse_fde(t, entry, out) && addr >= out->start && addr < out->end)
			return 0;
	}
	return -ENOENT;
}

struct lookup {
	uint64_t addr;
	struct cfi_row *out;
	int error;
};

static int take_row(uint64_t start, uint64_t end, const struct cfi_row *row, int error, void *arg)
{
	struct lookup *lookup = arg;

	if (lookup->addr < start || lookup->addr >= end)
		return 0;
	*lookup->out = *row;
	lookup->error = error;
	return 1;
}

static int find_fde(struct elf_file *f, uint64_t addr, struct cfi_table *t, struct cfi_fde *fde)
{
	struct dwarf entry;
	int ret = table_open(f, t);

	if (ret)
		return ret;
	ret = search_header(t, addr, &entry);
	if (ret == -ENOTSUP)
		ret = search_linear(t, addr, fde);
	else if (!ret)
		ret = parse_fde(t, entry, fde);
	if (ret)
		return ret;
	return addr < fde->start || addr >= fde->end ? -ENOENT : 0;
}

int elf_cfi_row(struct elf_file *f, uint64_t addr, struct cfi_row *out)
{
	struct lookup lookup = {.addr = addr, .out = out, .error = -ENOENT};
	struct cfi_table t;
	struct cfi_fde fde;
	int ret;

	*out = (struct cfi_row){.base = CFI_NONE};
	ret = find_fde(f, addr, &t, &fde);
	if (ret)
		return ret;
	ret = cfi_each_row(&t.registers, &fde, take_row, &lookup);
	return ret == 1 ? lookup.error : ret ? ret : -ENOENT;
}

int elf_cfi_range(struct elf_file *f, uint64_t addr, uint64_t *start, uint64_t *end)
{
	struct cfi_table t;
	struct cfi_fde fde;
	int ret = find_fde(f, addr, &t, &fde);

	if (ret)
		return ret;
	*start = fde.start;
	*end = fde.end;
	return 0;
}
