// SPDX-License-Identifier: BSD-2-Clause
// better-sqlite3: SQLite inside its .node, with local symbols.
const Database = require('better-sqlite3');
const Truth = require('./truth.js');

const truth = new Truth('sqlite');
const db = new Database(':memory:');
db.exec('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
truth.barrier();

const insert = db.prepare('INSERT INTO item VALUES (?, ?)');
db.transaction(() => {
  for (let i = 0; i < 40; i++) {
    truth.add('INSERT INTO item VALUES (?, ?)', {rows: insert.run(i, 'n' + i).changes});
  }
})();
truth.add('BEGIN', {control: true});
truth.add('COMMIT', {control: true});
const one = db.prepare('SELECT name FROM item WHERE id = ?');
for (let i = 0; i < 30; i++) {
  truth.add('SELECT name FROM item WHERE id = ?', {rows: one.get(i) ? 1 : 0});
}
const some = db.prepare('SELECT * FROM item WHERE id < ?');
for (let i = 0; i < 20; i++) {
  truth.add('SELECT * FROM item WHERE id < ?', {rows: some.all(i).length});
}
let rows = 0;
for (const row of db.prepare('SELECT id FROM item ORDER BY id').iterate()) {
  rows++;
  if (row.id === 9) break;
}
truth.add('SELECT id FROM item ORDER BY id', {rows});
for (const sql of ['SELECT * FROM nowhere', "INSERT INTO item VALUES (1, 'twice')"]) {
  try {
    db.prepare(sql).run();
  } catch {
    truth.add(sql, {errors: 1});
  }
}
db.exec("UPDATE item SET name = 'x' WHERE id < 5; DELETE FROM item WHERE id > 30");
truth.add("UPDATE item SET name = 'x' WHERE id < 5", {rows: 5});
truth.add('DELETE FROM item WHERE id > 30', {rows: 9});
db.close();
truth.write();
