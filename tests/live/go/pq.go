// SPDX-License-Identifier: BSD-2-Clause

// database/sql over lib/pq, which speaks PostgreSQL's protocol itself.
package main

import (
	"database/sql"

	_ "github.com/lib/pq"
)

func main() {
	db, err := sql.Open("postgres", "")
	check(err)
	db.SetMaxOpenConns(1)
	check(db.Ping())
	barrier()
	for i := 0; i < number("N", 50); i++ {
		var name string

		check(db.QueryRow("SELECT name FROM author WHERE id = $1", i%40).Scan(&name))
		counted("SELECT name FROM author WHERE id = $1", 1)
	}
	writeTruth("postgresql")
}
