# SPDX-License-Identifier: BSD-2-Clause
# ActiveRecord: 30 books and the author of each; one query for each author ("bad"), or one for all.
require 'active_record'
require ARGV[1] == 'postgresql' ? 'pg' : 'sqlite3'

class OrmAuthor < ActiveRecord::Base
end

class OrmBook < ActiveRecord::Base
  belongs_to :orm_author
end

puts 'ready'
$stdout.flush
$stdin.gets
ActiveRecord::Base.establish_connection(
  if ARGV[1] == 'postgresql'
    { adapter: 'postgresql', host: ENV['PGHOST'], username: ENV['PGUSER'], database: ENV['PGDATABASE'] }
  else
    { adapter: 'sqlite3', database: ':memory:' }
  end
)
ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table(:orm_authors, force: true) { |t| t.string :name }
  create_table(:orm_books, force: true) { |t| t.integer :orm_author_id }
end
OrmAuthor.insert_all((1..30).map { |i| { name: "author #{i}" } })
OrmBook.insert_all((1..30).map { |i| { orm_author_id: i } })
sleep 0.3
books = ARGV[0] == 'bad' ? OrmBook.all : OrmBook.includes(:orm_author)
raise 'count' unless books.map { |book| book.orm_author.name }.size == 30

sleep 0.3
