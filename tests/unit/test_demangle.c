/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "profile/profile.h"

static void demangled(const char *mangled, const char *want)
{
	struct strbuf out = {0};

	strbuf_adds(&out, ">");
	demangle(&out, mangled);
	assert_string_equal(out.ptr + 1, want);
	strbuf_free(&out);
}

static void demangles(void **state)
{
	demangled("_ZN3foo3barEi", "foo::bar");
	demangled("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back");
	demangled("_Z3runv.constprop.0", "run");
	/* Rust: legacy with its hash, and v0. */
	demangled("_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE", "core::fmt::Formatter::write_str");
	demangled("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$"
		  "3bar17h930b740aa94f1d3aE",
		  "<Test + 'static as foo::Bar<Test>>::bar");
	demangled("_RNvCs4fqI2P2rA04_11mycrate_foo3bar", "mycrate_foo::bar");
	demangled("_RNvNtCs123_7mycrate3foo3bar", "mycrate::foo::bar");
	/* What is none of these stays. */
	demangled("sqlite3_step", "sqlite3_step");
	demangled("_Z", "_Z");
	demangled("_ZN", "_ZN");
	demangled("_Rust_like", "_Rust_like");
	demangled("", "");
}

static void assert_cut(const char *mangled)
{
	struct strbuf out = {0};

	demangle(&out, mangled);
	assert_true(out.len > 1000 && out.len < 1100);
	assert_string_equal(out.ptr + out.len - 3, "\xe2\x80\xa6");
	strbuf_free(&out);
}

/* Names that stand for more than a machine can hold: each level has the one below it twice. */
static void exponential_names(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char name[1024] = "_Z1fI";
	size_t len = strlen(name);
	int i;

	for (i = 0; i < 34; i++)
		len += (size_t)sprintf(name + len, "1pI");
	len += (size_t)sprintf(name + len, "1a");
	for (i = 0; i < 34; i++)
		len += (size_t)sprintf(name + len, i < 2 ? "S%c_E" : "S1%c_E", digits[(i + 34) % 36]);
	sprintf(name + len, "EvT_");
	assert_cut(name);

	len = (size_t)sprintf(name, "_RINvC1a1f");
	for (i = 0; i < 36; i++)
		len += (size_t)sprintf(name + len, "T");
	len += (size_t)sprintf(name + len, "u");
	for (i = 0; i < 36; i++)
		len += (size_t)sprintf(name + len, "B%c_E",
				       "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH"[43 - i]);
	sprintf(name + len, "E");
	assert_cut(name);
}

/* What is too long to look at stays as it is, cut. */
static void long_names(void **state)
{
	struct strbuf out = {0};
	char *name = malloc(200001);

	memset(name, 'P', 200000);
	memcpy(name, "_Z1f", 4);
	name[200000] = '\0';
	demangle(&out, name);
	assert_int_equal(out.len, 1024);
	strbuf_reset(&out);
	/* Within the limit, but nested deeper than the demangler goes. */
	strcpy(name + 3000, "i");
	demangle(&out, name);
	assert_int_equal(out.len, 1024);
	assert_memory_equal(out.ptr, "_Z1fPPP", 7);
	strbuf_free(&out);
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(demangles),
		cmocka_unit_test(exponential_names),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
