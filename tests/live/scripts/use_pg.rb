#!/usr/bin/ruby
# SPDX-License-Identifier: BSD-2-Clause
# ruby-pg: the synchronous names are asynchronous libpq underneath.
require 'pg'
require_relative 'truth'

truth = Truth.new('postgresql')
conn = PG.connect
truth.barrier

25.times do |i|
  truth.add('SELECT name FROM author WHERE id = 1', rows: conn.exec("SELECT name FROM author WHERE id = #{i}").ntuples)
  truth.add('SELECT id, title FROM book WHERE author_id = $1',
            rows: conn.exec_params('SELECT id, title FROM book WHERE author_id = $1', [i]).ntuples)
end
conn.prepare('p', 'SELECT price FROM book WHERE id = $1')
25.times { |i| truth.add('SELECT price FROM book WHERE id = $1', rows: conn.exec_prepared('p', [i]).ntuples) }
conn.transaction do
  truth.add('INSERT INTO log (id, note) VALUES (1, $1)', rows: conn.exec_params('INSERT INTO log (id, note) VALUES (1, $1)', ['r']).cmd_tuples)
  truth.add('DELETE FROM log', rows: conn.exec('DELETE FROM log').cmd_tuples)
end
truth.add('BEGIN', control: true)
truth.add('COMMIT', control: true)
begin
  conn.exec('SELECT 1/0')
rescue PG::Error
  truth.add('SELECT 1/0', errors: 1)
end
begin
  conn.sync_exec('SELECT * FROM nowhere')
rescue PG::Error
  truth.add('SELECT * FROM nowhere', errors: 1)
end
conn.send_query('SELECT id FROM book WHERE id < 70')
conn.set_single_row_mode
rows = 0
while (result = conn.get_result)
  rows += result.ntuples
end
truth.add('SELECT id FROM book WHERE id < 70', rows: rows)
conn.close
truth.write
