#!/usr/bin/ruby
# SPDX-License-Identifier: BSD-2-Clause
# ruby-sqlite3: statements prepared for one execution, and kept ones.
require 'sqlite3'
require_relative 'truth'

truth = Truth.new('sqlite')
db = SQLite3::Database.new(':memory:')
db.execute('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)')
truth.barrier

db.transaction do
  30.times do |i|
    db.execute('INSERT INTO item VALUES (?, ?)', [i, "n#{i}"])
    truth.add('INSERT INTO item VALUES (?, ?)', rows: 1)
  end
end
truth.add('begin deferred transaction', control: true)
truth.add('commit transaction', control: true)
20.times { |i| truth.add('SELECT name FROM item WHERE id = 1', rows: db.execute("SELECT name FROM item WHERE id = #{i}").size) }
kept = db.prepare('SELECT id FROM item WHERE id < ?')
20.times { |i| truth.add('SELECT id FROM item WHERE id < ?', rows: kept.execute(i).to_a.size) }
kept.close
truth.add('SELECT count(*) FROM item', rows: 1) if db.get_first_value('SELECT count(*) FROM item')
['SELECT * FROM nowhere', "INSERT INTO item VALUES (1, 'twice')"].each do |sql|
  db.execute(sql)
rescue SQLite3::Exception
  truth.add(sql, errors: 1)
end
db.execute_batch("UPDATE item SET name = 'x' WHERE id < 5; DELETE FROM item WHERE id > 20")
truth.add("UPDATE item SET name = 'x' WHERE id < 5", rows: 5)
truth.add('DELETE FROM item WHERE id > 20', rows: 9)
db.close
truth.write
