# SPDX-License-Identifier: BSD-2-Clause
# Sequel: 30 books and the author of each; one query for each author ("bad"), or one for all.
require 'sequel'
require ARGV[1] == 'postgresql' ? 'pg' : 'sqlite3'

puts 'ready'
$stdout.flush
$stdin.gets
DB = if ARGV[1] == 'postgresql'
       Sequel.connect(adapter: 'postgres', host: ENV['PGHOST'], user: ENV['PGUSER'], database: ENV['PGDATABASE'])
     else
       Sequel.sqlite
     end
DB.create_table!(:sq_authors) { primary_key :id; String :name }
DB.create_table!(:sq_books) { primary_key :id; Integer :sq_author_id }

class SqAuthor < Sequel::Model
end

class SqBook < Sequel::Model
  many_to_one :sq_author
end

DB[:sq_authors].multi_insert((1..30).map { |i| { name: "author #{i}" } })
DB[:sq_books].multi_insert((1..30).map { |i| { sq_author_id: i } })
sleep 0.3
books = ARGV[0] == 'bad' ? SqBook.all : SqBook.eager(:sq_author).all
raise 'count' unless books.map { |book| book.sq_author.name }.size == 30

sleep 0.3
