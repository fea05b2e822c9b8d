#!/usr/bin/ruby
# SPDX-License-Identifier: BSD-2-Clause
# ruby-mysql2: sends, waits in Ruby, and reads the result; prepared statements are the library's.
require 'mysql2'
require_relative 'truth'

truth = Truth.new('mysql')
conn = Mysql2::Client.new(socket: ENV.fetch('MYSQL_SOCKET'), username: 'root', database: 'shop')
truth.barrier

25.times do |i|
  truth.add('SELECT name FROM author WHERE id = 1', rows: conn.query("SELECT name FROM author WHERE id = #{i}").count)
end
books = conn.prepare('SELECT id, title FROM book WHERE author_id = ?')
25.times { |i| truth.add('SELECT id, title FROM book WHERE author_id = ?', rows: books.execute(i).count) }
books.close
conn.query('BEGIN')
conn.query("INSERT INTO log (id, note) VALUES (1, 'r')")
truth.add("INSERT INTO log (id, note) VALUES (1, 'r')", rows: conn.affected_rows)
conn.query('ROLLBACK')
begin
  conn.query('SELECT * FROM nowhere')
rescue Mysql2::Error
  truth.add('SELECT * FROM nowhere', errors: 1)
end
begin
  conn.prepare('SELECT * FROM neither WHERE id = ?')
rescue Mysql2::Error
  truth.add('SELECT * FROM neither WHERE id = ?', errors: 1)
end
rows = 0
conn.query('SELECT id FROM book WHERE id < 70', stream: true, cache_rows: false).each { rows += 1 }
truth.add('SELECT id FROM book WHERE id < 70', rows: rows)
conn.close
truth.write
