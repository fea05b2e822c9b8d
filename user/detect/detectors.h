/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that registry.c puts into its rows; the file of that name says what each looks for. */
#ifndef APM_DETECT_DETECTORS_H
#define APM_DETECT_DETECTORS_H

#include "detect/detect.h"

#define DETECT_STATEMENT(name)                                                                             \
	void name##_statement(struct detect *d, const struct detector *self, const struct statement *stmt, \
			      const struct statement *was)
#define DETECT_ERROR(name)                                                                             \
	void name##_error(struct detect *d, const struct detector *self, const struct statement *stmt, \
			  const struct detect_error *error)
#define DETECT_UNIT(name) \
	void name##_unit(struct detect *d, const struct detector *self, const struct unit *unit)
#define DETECT_END(name)      void name##_end(struct detect *d, const struct detector *self, struct finding *f)
#define DETECT_SEVERITY(name) enum severity name##_severity(const struct finding *f)
#define DETECT_DESCRIBE(name)                                                                       \
	void name##_describe(const struct detect *d, const struct finding *f, struct strbuf *title, \
			     struct strbuf *evidence, struct strbuf *recommendation)

DETECT_UNIT(n_plus_one);
DETECT_DESCRIBE(n_plus_one);
DETECT_UNIT(duplicate_query);
DETECT_DESCRIBE(duplicate_query);
DETECT_END(repeats);
DETECT_SEVERITY(repeats);

DETECT_STATEMENT(slow_query);
DETECT_SEVERITY(slow_query);
DETECT_DESCRIBE(slow_query);

DETECT_STATEMENT(running_statement);
DETECT_SEVERITY(running_statement);
DETECT_DESCRIBE(running_statement);

DETECT_STATEMENT(lock_wait);
DETECT_SEVERITY(lock_wait);
DETECT_DESCRIBE(lock_wait);

DETECT_ERROR(failing_statement);
DETECT_SEVERITY(failing_statement);
DETECT_DESCRIBE(failing_statement);

DETECT_UNIT(n_plus_one_http);
DETECT_DESCRIBE(n_plus_one_http);

DETECT_STATEMENT(missing_limit);
DETECT_SEVERITY(missing_limit);
DETECT_DESCRIBE(missing_limit);

DETECT_STATEMENT(large_result);
DETECT_SEVERITY(large_result);
DETECT_DESCRIBE(large_result);

DETECT_STATEMENT(idle_in_transaction);
DETECT_SEVERITY(idle_in_transaction);
DETECT_DESCRIBE(idle_in_transaction);

DETECT_UNIT(chatty_cache);
DETECT_DESCRIBE(chatty_cache);

DETECT_STATEMENT(connection_churn);
DETECT_UNIT(connection_churn);
DETECT_END(connection_churn);
DETECT_SEVERITY(connection_churn);
DETECT_DESCRIBE(connection_churn);

DETECT_STATEMENT(pool_saturation);
DETECT_SEVERITY(pool_saturation);
DETECT_DESCRIBE(pool_saturation);

DETECT_UNIT(consecutive_queries);
DETECT_SEVERITY(consecutive_queries);
DETECT_DESCRIBE(consecutive_queries);

#endif
