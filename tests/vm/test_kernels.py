#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The short form of `make test-kernels`: the oldest kernel that is supported and the newest, SQLite only. Downloads them (some 60 MB, once); skipped,
with the reason, where they cannot be had."""
import os

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'run')
os.execv(RUN, [RUN, '--short', '--tap'])
