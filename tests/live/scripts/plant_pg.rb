#!/usr/bin/ruby
# SPDX-License-Identifier: BSD-2-Clause
# Requests against PostgreSQL with what ARGV[0] plants; the modes are those of clients/plant_client.c.
require 'pg'
require_relative 'truth'

truth = Truth.new('postgresql')
conn = PG.connect
titles = 'SELECT title FROM book WHERE author_id = $1'
authors = 'SELECT id FROM author ORDER BY id LIMIT 12'
joined = 'SELECT a.name, b.title FROM author a JOIN book b ON b.author_id = a.id WHERE a.id < 12'
truth.barrier
4.times do
  case ARGV[0]
  when 'n_plus_one'
    list = conn.exec(authors)
    truth.add(authors, rows: list.ntuples)
    list.each { |row| truth.add(titles, rows: conn.exec_params(titles, [row['id']]).ntuples) }
  when 'join'
    truth.add(joined, rows: conn.exec(joined).ntuples)
  end
  sleep 0.16
end
conn.close
truth.write
