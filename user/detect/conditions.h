/* SPDX-License-Identifier: BSD-2-Clause */
/* What error codes mean, and what to do about them. */
#ifndef APM_DETECT_CONDITIONS_H
#define APM_DETECT_CONDITIONS_H

/*
 * The condition's name of an SQLSTATE ("unique_violation" for 23505), NULL for a code that is its own name
 * (SQLite, Redis) or is not known. Sources: PostgreSQL, appendix A "PostgreSQL Error Codes"; MySQL, "Server
 * Error Message Reference".
 */
const char *condition_name(const char *code);

/* One sentence of advice for an error code of any system, NULL when there is none for it alone. */
const char *condition_advice(const char *code);

#endif
