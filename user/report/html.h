/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the HTML page share. */
#ifndef APM_REPORT_HTML_H
#define APM_REPORT_HTML_H

extern const char html_style[];

#endif
