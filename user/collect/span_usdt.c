/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/span_usdt.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_NAME "stapsdt"
#define NOTE_TYPE 3

/* ---- notes ---- */

/* The text at *at, which ends before `end`; *at moves behind its NUL. NULL when it has none. */
static const char *take_text(const uint8_t **at, const uint8_t *end)
{
	const char *text = (const char *)*at;
	const uint8_t *nul = memchr(*at, 0, (size_t)(end - *at));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

/* desc: three addresses (the probe, the base at link time, the semaphore), then three texts. */
static int read_probe(const uint8_t *desc, size_t len, uint64_t base, struct usdt_probe *out)
{
	const uint8_t *at = desc + 24, *end = desc + len;
	uint64_t addr[3];

	if (len < sizeof(addr))
		return -EBADMSG;
	memcpy(addr, desc, sizeof(addr));
	out->provider = take_text(&at, end);
	out->name = out->provider ? take_text(&at, end) : NULL;
	out->args = out->name ? take_text(&at, end) : NULL;
	if (!out->args)
		return -EBADMSG;
	/* A prelinked file has moved since. */
	out->addr = addr[0] + (base ? base - addr[1] : 0);
	out->semaphore = addr[2] ? addr[2] + (base ? base - addr[1] : 0) : 0;
	return 0;
}

int usdt_each(struct elf_file *f, int (*fn)(const struct usdt_probe *probe, void *arg), void *arg)
{
	uint64_t addr, base = 0;
	size_t len, ignored;
	const uint8_t *p = elf_section(f, ".note.stapsdt", &len, &addr);

	if (!elf_section(f, ".stapsdt.base", &ignored, &base))
		base = 0;
	while (p && len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		struct usdt_probe probe;
		size_t name, desc;
		int ret;

		memcpy(&note, p, sizeof(note));
		p += sizeof(note);
		len -= sizeof(note);
		name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		desc = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		if (name > len || desc > len - name)
			return 0;
		if (note.n_type == NOTE_TYPE && note.n_namesz == sizeof(NOTE_NAME) &&
		    !memcmp(p, NOTE_NAME, sizeof(NOTE_NAME)) &&
		    !read_probe(p + name, note.n_descsz, base, &probe)) {
			ret = fn(&probe, arg);
			if (ret)
				return ret;
		}
		p += name + desc;
		len -= name + desc;
	}
	return 0;
}

/* ---- operands ---- */

/* struct pt_regs of x86-64, arch/x86/include/uapi/asm/ptrace.h */
static const struct {
	const char *name;
	uint16_t off;
} registers[] = {
	{"rax", 80},  {"eax", 80},  {"ax", 80},	  {"al", 80},	{"rbx", 40}, {"ebx", 40},  {"bx", 40},
	{"bl", 40},   {"rcx", 88},  {"ecx", 88},  {"cx", 88},	{"cl", 88},  {"rdx", 96},  {"edx", 96},
	{"dx", 96},   {"dl", 96},   {"rsi", 104}, {"esi", 104}, {"si", 104}, {"sil", 104}, {"rdi", 112},
	{"edi", 112}, {"di", 112},  {"dil", 112}, {"rbp", 32},	{"ebp", 32}, {"bp", 32},   {"bpl", 32},
	{"rsp", 152}, {"esp", 152}, {"rip", 128},
};

static const uint16_t numbered[] = {72, 64, 56, 48, 24, 16, 8, 0}; /* r8 … r15 */

int usdt_register(const char *name, size_t len)
{
	size_t i;

	if (len && *name == '%') {
		name++;
		len--;
	}
	for (i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		if (strlen(registers[i].name) == len && !memcmp(registers[i].name, name, len))
			return registers[i].off;
	if (len >= 2 && name[0] == 'r' && name[1] >= '0' && name[1] <= '9') {
		int number = name[1] - '0';
		size_t digits = 1;

		if (len > 2 && name[2] >= '0' && name[2] <= '9') {
			number = number * 10 + name[2] - '0';
			digits = 2;
		}
		if (number >= 8 && number <= 15 &&
		    (len == 1 + digits || (len == 2 + digits && strchr("dwb", name[1 + digits]))))
			return numbered[number - 8];
	}
	return -ENOENT;
}

static int read_size(const char *text, char **end, struct apm_place *out)
{
	long size = strtol(text, end, 10);

	if (*end == text || **end != '@')
		return -ENOTSUP;
	out->is_signed = size < 0;
	size = labs(size);
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return -ENOTSUP;
	out->size = (uint8_t)size;
	return 0;
}

/* "(%rax)", "(%rax,%rbx)", "(%rax,%rbx,4)", after an offset */
static int read_memory(const char *text, size_t len, struct apm_place *out)
{
	const char *end = text + len - 1, *comma = memchr(text, ',', len), *second = NULL;
	int reg, index;

	if (len < 3 || *end != ')')
		return -ENOTSUP;
	out->where = APM_WHERE_MEMORY;
	out->index = APM_NO_INDEX;
	out->scale = 1;
	reg = usdt_register(text + 1, (size_t)((comma ? comma : end) - text - 1));
	if (reg < 0)
		return -ENOTSUP;
	out->reg = (uint16_t)reg;
	if (!comma)
		return 0;
	second = memchr(comma + 1, ',', (size_t)(end - comma - 1));
	index = usdt_register(comma + 1, (size_t)((second ? second : end) - comma - 1));
	if (index < 0)
		return -ENOTSUP;
	out->index = (uint16_t)index;
	if (second && (second + 2 != end || !strchr("1248", second[1])))
		return -ENOTSUP;
	if (second)
		out->scale = (uint8_t)(second[1] - '0');
	return 0;
}

static int read_operand(const char *text, size_t len, struct apm_place *out)
{
	const char *paren = memchr(text, '(', len);
	char *end;
	int reg;

	if (*text == '$') {
		out->where = APM_WHERE_CONSTANT;
		out->value = strtoll(text + 1, &end, 0);
		return end == text + len ? 0 : -ENOTSUP;
	}
	if (*text == '%') {
		reg = usdt_register(text, len);
		out->where = APM_WHERE_REGISTER;
		out->reg = (uint16_t)(reg < 0 ? 0 : reg);
		return reg < 0 ? -ENOTSUP : 0;
	}
	if (!paren)
		return -ENOTSUP;
	out->value = paren == text ? 0 : strtoll(text, &end, 0);
	/* "symbol+8(%rip)": the operand does not say where the symbol is */
	if (paren != text && end != paren)
		return -ENOTSUP;
	return read_memory(paren, len - (size_t)(paren - text), out);
}

int usdt_argument(const char *args, unsigned int number, struct apm_place *out)
{
	char *operand;
	size_t len;

	for (; number > 0; number--) {
		args += strspn(args, " ");
		if (!*args)
			return -ENOENT;
		if (number > 1)
			args += strcspn(args, " ");
	}
	*out = (struct apm_place){.index = APM_NO_INDEX};
	if (read_size(args, &operand, out))
		return -ENOTSUP;
	operand++;
	len = strcspn(operand, " ");
	return len ? read_operand(operand, len, out) : -ENOTSUP;
}
