/* SPDX-License-Identifier: BSD-2-Clause */
/* Several statements that fail at the same time with the same code: the cause lies outside of them. */
#include "detect/detectors.h"

#include <string.h>

#define ERRORS_MIN     10 /* in one second … */
#define STATEMENTS_MIN 3  /* … of so many statements */
#define SECOND	       1000000000ULL

/* The fault of each statement alone: SQLSTATE's classes of bad data, constraints, syntax and names, and what
 * SQLite says instead. */
static const char *const own_fault[] = {"22",
					"23",
					"42",
					"SQLITE_ERROR",
					"SQLITE_CONSTRAINT",
					"SQLITE_MISMATCH",
					"SQLITE_RANGE",
					"SQLITE_MISUSE",
					"SQLITE_TOOBIG",
					NULL};

static int is_own_fault(struct str code)
{
	size_t i, len;

	for (i = 0; own_fault[i]; i++) {
		len = strlen(own_fault[i]);
		if (code.len >= len && memcmp(code.ptr, own_fault[i], len) == 0 && (len > 2 || code.len == 5))
			return 1;
	}
	return 0;
}

void error_burst_error(struct detect *d, const struct detector *self, const struct statement *stmt,
		       const struct detect_error *error)
{
	uint64_t code = hash_bytes(HASH_SEED, error->code.ptr, error->code.len) + stmt->system;
	uint64_t second = stmt->t_end / SECOND;
	/* v: errors, statements, already counted */
	struct detect_note *burst = detect_note(d, self, code, second);
	struct detect_note *one = detect_note(d, self, hash_mix(code, stmt->fingerprint), second);
	size_t len = error->code.len < sizeof(((struct finding *)0)->code) ? error->code.len : 0;
	struct finding *f;

	if (!burst || !one || !len || is_own_fault(error->code))
		return;
	burst->v[0]++;
	burst->v[1] += one->v[0]++ == 0;
	if (burst->v[0] < ERRORS_MIN || burst->v[1] < STATEMENTS_MIN)
		return;
	f = detect_finding(d, self, 0, code);
	if (!f)
		return;
	f->count += burst->v[0] - burst->v[2];
	f->units += burst->v[2] == 0;
	burst->v[2] = burst->v[0];
	if (burst->v[0] > f->worst_count) {
		f->worst_count = burst->v[0];
		f->worst_distinct = burst->v[1];
	}
	f->confidence = CONFIDENCE_EXACT;
	f->system = stmt->system;
	memcpy(f->code, error->code.ptr, len);
	detect_certain(d, f);
}

enum severity error_burst_severity(const struct finding *f)
{
	return f->worst_count >= 100 ? SEVERITY_HIGH : SEVERITY_MEDIUM;
}

void error_burst_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			  struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "Burst of errors: %llu times %s in one second", (unsigned long long)f->worst_count,
		    f->code);
	strbuf_addf(evidence,
		    "%llu executions failed with %s in %llu second%s of many failures, in the worst of them "
		    "%llu of "
		    "%llu different statements.",
		    (unsigned long long)f->count, f->code, (unsigned long long)f->units,
		    f->units == 1 ? "" : "s", (unsigned long long)f->worst_count,
		    (unsigned long long)f->worst_distinct);
	strbuf_adds(recommendation,
		    "Look for what they share: the server's log at that time, a lost connection, an aborted "
		    "transaction that goes on, a lock, a full disk.");
}
