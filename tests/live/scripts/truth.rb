# SPDX-License-Identifier: BSD-2-Clause
# Ground truth of a traced Ruby program; see clients/truth.h.
require 'json'

class Truth
  def initialize(system)
    @system = system
    @rows = {}
  end

  def add(sql, calls: 1, errors: 0, rows: 0, control: false)
    row = (@rows[sql] ||= [0, 0, 0, control])
    row[0] += calls
    row[1] += errors
    row[2] += rows
  end

  def barrier
    return unless ENV['BARRIER']

    $stdout.puts 'ready'
    $stdout.flush
    $stdin.gets
  end

  def write
    queries = @rows.map { |sql, (c, e, r, k)| { sql: sql, calls: c, errors: e, rows: r, control: k } }
    File.write(ENV['GROUND_TRUTH'], JSON.generate({ system: @system, queries: queries }) + "\n", mode: 'a')
  end
end
