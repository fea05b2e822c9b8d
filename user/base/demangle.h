/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of C++ and Rust functions, as people write them. */
#ifndef APM_BASE_DEMANGLE_H
#define APM_BASE_DEMANGLE_H

#include "base/str.h"

/* Demangles C++ and Rust names, without parameters and hashes; others are appended as
 * they are. At most about 1 KB. */
void demangle(struct strbuf *out, const char *name);
/* The same with the parameters of C++ functions: "shop::pay(int)". */
void demangle_whole(struct strbuf *out, const char *name);

#endif
