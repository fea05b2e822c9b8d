/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/demangle.h"

#include <setjmp.h>
#include <string.h>

#include <libiberty/demangle.h>

/*
 * A short mangled name can stand for a text that grows exponentially, and libiberty bounds its recursion but
 * not what it prints. So output goes through a callback that leaves the demangler when there is enough of it.
 */
#define MAX_INPUT  4096
#define MAX_OUTPUT 1024

struct sink {
	struct strbuf *out;
	size_t start;
	jmp_buf full;
};

static void sink_add(const char *text, size_t len, void *arg)
{
	struct sink *sink = arg;
	size_t have = sink->out->len - sink->start;

	if (len <= MAX_OUTPUT - have) {
		strbuf_add(sink->out, text, len);
		return;
	}
	strbuf_add(sink->out, text, MAX_OUTPUT - have);
	longjmp(sink->full, 1);
}

typedef int (*demangle_fn)(const char *mangled, int options, demangle_callbackref callback, void *arg);

/* 1 when fn knew the name. */
static int demangle_with(demangle_fn fn, int options, struct strbuf *out, const char *name)
{
	struct sink sink = {.out = out, .start = out->len};

	if (setjmp(sink.full)) {
		strbuf_adds(out, "\xe2\x80\xa6");
		return 1;
	}
	/* Without DMGL_VERBOSE: no Rust hash. */
	if (fn(name, options, sink_add, &sink) && out->len > sink.start)
		return 1;
	if (out->ptr && out->len > sink.start) {
		out->len = sink.start;
		out->ptr[out->len] = '\0';
	}
	return 0;
}

static void demangle_as(struct strbuf *out, int options, const char *name)
{
	size_t len = strnlen(name, MAX_INPUT + 1);

	if (len <= MAX_INPUT) {
		/* Rust's legacy names are C++ names with a hash at the end: ask the stricter one first. */
		if ((!strncmp(name, "_R", 2) || !strncmp(name, "_ZN", 3)) &&
		    demangle_with(rust_demangle_callback, options, out, name))
			return;
		if (!strncmp(name, "_Z", 2) && demangle_with(cplus_demangle_v3_callback, options, out, name))
			return;
	}
	strbuf_add(out, name, len < MAX_OUTPUT ? len : MAX_OUTPUT);
}

/* A frame is easier to read without its parameters. */
void demangle(struct strbuf *out, const char *name)
{
	demangle_as(out, DMGL_NO_OPTS, name);
}

void demangle_whole(struct strbuf *out, const char *name)
{
	demangle_as(out, DMGL_PARAMS, name);
}
