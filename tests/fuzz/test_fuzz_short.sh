#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each fuzz target on its corpus and a little beyond, the same way each time.
exec "$(dirname "$0")/run" 5 1
