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
#define DETECT_PROCESS(name)                                               \
	void name##_process(struct detect *d, const struct detector *self, \
			    const struct detect_process *process)
#define DETECT_FUNCTION(name)                                               \
	void name##_function(struct detect *d, const struct detector *self, \
			     const struct detect_function *function)
#define DETECT_END(name)      void name##_end(struct detect *d, const struct detector *self, struct finding *f)
#define DETECT_SEVERITY(name) enum severity name##_severity(const struct finding *f)
#define DETECT_DESCRIBE(name)                                                                       \
	void name##_describe(const struct detect *d, const struct finding *f, struct strbuf *title, \
			     struct strbuf *evidence, struct strbuf *recommendation)

/* Shared by those that count repeats. */
DETECT_END(repeats);
DETECT_SEVERITY(repeats);

DETECT_UNIT(n_plus_one);
DETECT_DESCRIBE(n_plus_one);

DETECT_UNIT(m_n_plus_one);
DETECT_DESCRIBE(m_n_plus_one);

DETECT_UNIT(duplicate_query);
DETECT_DESCRIBE(duplicate_query);

DETECT_STATEMENT(slow_query);
DETECT_ERROR(slow_query);
DETECT_SEVERITY(slow_query);
DETECT_DESCRIBE(slow_query);

DETECT_STATEMENT(running_statement);
DETECT_SEVERITY(running_statement);
DETECT_DESCRIBE(running_statement);

DETECT_STATEMENT(lock_wait);
DETECT_SEVERITY(lock_wait);
DETECT_DESCRIBE(lock_wait);

DETECT_STATEMENT(latency_outlier);
DETECT_END(latency_outlier);
DETECT_SEVERITY(latency_outlier);
DETECT_DESCRIBE(latency_outlier);

DETECT_ERROR(failing_statement);
DETECT_SEVERITY(failing_statement);
DETECT_DESCRIBE(failing_statement);

DETECT_ERROR(retry_storm);
DETECT_SEVERITY(retry_storm);
DETECT_DESCRIBE(retry_storm);

DETECT_STATEMENT(failed_transaction);
DETECT_END(failed_transaction);
DETECT_SEVERITY(failed_transaction);
DETECT_DESCRIBE(failed_transaction);

DETECT_ERROR(error_burst);
DETECT_SEVERITY(error_burst);
DETECT_DESCRIBE(error_burst);

DETECT_UNIT(n_plus_one_http);
DETECT_DESCRIBE(n_plus_one_http);

DETECT_STATEMENT(missing_limit);
DETECT_SEVERITY(missing_limit);
DETECT_DESCRIBE(missing_limit);

DETECT_STATEMENT(large_result);
DETECT_SEVERITY(large_result);
DETECT_DESCRIBE(large_result);

DETECT_STATEMENT(unfetched_rows);
DETECT_SEVERITY(unfetched_rows);
DETECT_DESCRIBE(unfetched_rows);

DETECT_STATEMENT(zero_row_write);
DETECT_END(zero_row_write);
DETECT_SEVERITY(zero_row_write);
DETECT_DESCRIBE(zero_row_write);

DETECT_STATEMENT(idle_in_transaction);
DETECT_SEVERITY(idle_in_transaction);
DETECT_DESCRIBE(idle_in_transaction);

DETECT_STATEMENT(long_transaction);
DETECT_SEVERITY(long_transaction);
DETECT_DESCRIBE(long_transaction);

DETECT_UNIT(chatty_unit);
DETECT_SEVERITY(chatty_unit);
DETECT_DESCRIBE(chatty_unit);

DETECT_UNIT(chatty_cache);
DETECT_DESCRIBE(chatty_cache);

DETECT_STATEMENT(low_hit_rate);
DETECT_END(low_hit_rate);
DETECT_SEVERITY(low_hit_rate);
DETECT_DESCRIBE(low_hit_rate);

DETECT_STATEMENT(cache_stampede);
DETECT_SEVERITY(cache_stampede);
DETECT_DESCRIBE(cache_stampede);

DETECT_STATEMENT(connection_churn);
DETECT_UNIT(connection_churn);
DETECT_END(connection_churn);
DETECT_SEVERITY(connection_churn);
DETECT_DESCRIBE(connection_churn);

DETECT_STATEMENT(pool_saturation);
DETECT_SEVERITY(pool_saturation);
DETECT_DESCRIBE(pool_saturation);

DETECT_PROCESS(memory_growth);
DETECT_SEVERITY(memory_growth);
DETECT_DESCRIBE(memory_growth);

DETECT_PROCESS(high_cpu);
DETECT_SEVERITY(high_cpu);
DETECT_DESCRIBE(high_cpu);

DETECT_FUNCTION(hot_function);
DETECT_SEVERITY(hot_function);
DETECT_DESCRIBE(hot_function);

DETECT_UNIT(consecutive_queries);
DETECT_SEVERITY(consecutive_queries);
DETECT_DESCRIBE(consecutive_queries);

#endif
