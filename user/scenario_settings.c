/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario_input.h"

#include <string.h>

#define US 1000

enum value { VALUE_COUNT, VALUE_TIME, VALUE_RATIO };

/*
 * A setting is taken by the first row of each detector that the scenario names whose `part` stands in its
 * name and whose kind it has: "min_count" and "max_count" mean the same threshold. Times end in _us or _ms,
 * ratios in _ratio.
 */
static const struct setting {
	const char *detector, *part;
	enum value value;
	size_t offset; /* of a uint64_t, for VALUE_RATIO of a double, in struct detect_options */
} settings[] = {
#define AT(field) offsetof(struct detect_options, field)
	{"n_plus_one_http", "total", VALUE_TIME, AT(http_min_total_ns)},
	{"n_plus_one_http", "count", VALUE_COUNT, AT(http_min_count)},
	{"consecutive_queries", "ratio", VALUE_RATIO, AT(consecutive_min_ratio)},
	{"consecutive_queries", "saved", VALUE_TIME, AT(consecutive_min_saved_ns)},
	{"consecutive_queries", "span", VALUE_TIME, AT(consecutive_min_span_ns)},
	{"consecutive_queries", "count", VALUE_COUNT, AT(consecutive_min_count)},
	{"missing_limit", "", VALUE_COUNT, AT(missing_limit_rows)},
	{"large_result", "", VALUE_COUNT, AT(large_rows)},
	{"idle_in_transaction", "", VALUE_TIME, AT(idle_tx_ns)},
	{"chatty_cache", "", VALUE_COUNT, AT(chatty_count)},
	{"connection_churn", "", VALUE_COUNT, AT(connects)},
	{"pool_saturation", "", VALUE_COUNT, AT(pool_waits)},
	{"pool_saturation", "", VALUE_TIME, AT(pool_wait_ns)},
	{"slow_query", "", VALUE_TIME, AT(slow_ns)},
#undef AT
};

uint64_t scenario_number(const json_t *object, const char *key, double unit, uint64_t otherwise)
{
	const json_t *value = json_object_get(object, key);
	double number = json_is_number(value) ? json_number_value(value) * unit : -1;

	return number >= 0 && number < 1e18 ? (uint64_t)(number + 0.5) : otherwise;
}

struct str scenario_text(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return (struct str){json_string_value(value), json_string_length(value)};
}

int scenario_names(const json_t *scenario, const char *detector)
{
	const json_t *names = json_object_get(scenario, "detectors"), *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		if (json_is_string(name) && strcmp(json_string_value(name), detector) == 0)
			return 1;
	}
	return 0;
}

static int ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static enum value value_of(const char *key)
{
	if (ends_with(key, "_us") || ends_with(key, "_ms"))
		return VALUE_TIME;
	return ends_with(key, "_ratio") ? VALUE_RATIO : VALUE_COUNT;
}

static void take(const struct setting *setting, const json_t *from, const char *key,
		 struct detect_options *out)
{
	void *field = (char *)out + setting->offset;

	if (setting->value == VALUE_RATIO)
		*(double *)field = json_number_value(json_object_get(from, key));
	else
		*(uint64_t *)field = scenario_number(from, key,
						     setting->value == VALUE_COUNT ? 1
						     : ends_with(key, "_ms")	   ? 1000 * US
										   : US,
						     *(uint64_t *)field);
}

static void take_each(const json_t *scenario, const json_t *from, const char *key, struct detect_options *out)
{
	const struct setting *taken = NULL, *s;

	for (s = settings; s < settings + sizeof(settings) / sizeof(settings[0]); s++) {
		if (taken && strcmp(taken->detector, s->detector) == 0)
			continue;
		if (s->value != value_of(key) || !strstr(key, s->part) ||
		    !scenario_names(scenario, s->detector))
			continue;
		take(s, from, key, out);
		taken = s;
	}
}

void scenario_thresholds(const json_t *scenario, struct detect_options *out)
{
	json_t *from = json_object_get(scenario, "settings"), *value;
	const char *key;

	detect_defaults(out);
	out->slow_ns = 500000ULL * US;
	json_object_foreach(from, key, value)
	{
		if (json_is_number(value))
			take_each(scenario, from, key, out);
	}
	out->n_plus_one = (uint32_t)scenario_number(scenario, "threshold", 1, out->n_plus_one);
	out->min_total_ns = scenario_number(scenario, "min_total_us", US, 0);
	out->slow_ns = scenario_number(scenario, "slow_threshold_us", US, out->slow_ns);
}
