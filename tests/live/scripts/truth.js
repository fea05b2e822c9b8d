// SPDX-License-Identifier: BSD-2-Clause
// Ground truth of a traced program for node; see clients/truth.h.
const fs = require('fs');

class Truth {
  constructor(system) {
    this.system = system;
    this.rows = new Map();
  }

  add(sql, {calls = 1, errors = 0, rows = 0, control = false} = {}) {
    const row = this.rows.get(sql) || {sql, calls: 0, errors: 0, rows: 0, control};
    row.calls += calls;
    row.errors += errors;
    row.rows += rows;
    this.rows.set(sql, row);
  }

  barrier() {
    if (!process.env.BARRIER) return;
    fs.writeSync(1, 'ready\n');
    fs.readSync(0, Buffer.alloc(16));
  }

  write() {
    const line = JSON.stringify({system: this.system, queries: [...this.rows.values()]});
    fs.appendFileSync(process.env.GROUND_TRUTH, line + '\n');
  }
}

module.exports = Truth;
