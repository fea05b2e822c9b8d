// SPDX-License-Identifier: BSD-2-Clause

// database/sql over mattn's go-sqlite3: goroutines that move between threads while each uses a database of its own, so that
// the calls of one statement come from several threads and stacks; functions of SQL that are written in Go and execute
// statements themselves, so that stacks are switched inside a call; errors; statements given up by their context.
//
//	lite MODE    N=… repetitions, GOROUTINES=…
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"
)

const (
	selectItem = "SELECT name, price FROM item WHERE id = ?"
	selectAll  = "SELECT id, name FROM item ORDER BY id"
	insertItem = "INSERT INTO item (id, name, price) VALUES (?, ?, ?)"
	nested     = "SELECT id, look_up(id) FROM item WHERE id < 12"
	inner      = "SELECT price FROM item WHERE id = ?"
	endless    = "WITH RECURSIVE c(x) AS (SELECT give_up() UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
	items      = 40
)

// lookUp is called by SQLite, on the goroutine's own stack, and goes back to it.
func lookUp(conn *sqlite3.SQLiteConn) func(id int64) (float64, error) {
	return func(id int64) (float64, error) {
		runtime.Gosched()
		if id%5 == 0 {
			time.Sleep(time.Millisecond) // its thread does something else meanwhile
		}
		rows, err := conn.Query(inner, []driver.Value{id})
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		value := make([]driver.Value, 1)
		if err := rows.Next(value); err != nil {
			return 0, err
		}
		counted(inner, 1)
		return value[0].(float64) * float64(deepen(64)) / 64, nil
	}
}

// deepen makes the goroutine's stack grow, which moves it.
func deepen(depth int) int {
	var space [1024]byte

	if depth == 0 {
		return 0
	}
	space[depth] = 1
	return deepen(depth-1) + int(space[depth])
}

// database is one with a single connection.
type database struct {
	*sql.DB
	cancel context.CancelFunc
}

// giveUp is called in the statement that it ends.
func (db *database) giveUp() int64 {
	db.cancel()
	return 1
}

func (db *database) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

// Connect makes it a driver.Connector, whose connections know it.
func (db *database) Connect(context.Context) (driver.Conn, error) {
	lite := &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		if err := conn.RegisterFunc("give_up", db.giveUp, false); err != nil {
			return err
		}
		return conn.RegisterFunc("look_up", lookUp(conn), false)
	}}
	return lite.Open(":memory:")
}

func open() *database {
	db := &database{}
	db.DB = sql.OpenDB(db)
	db.SetMaxOpenConns(1)
	_, err := db.Exec("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, price REAL)")
	check(err)
	for i := 0; i < items; i++ {
		_, err = db.Exec(insertItem, i, fmt.Sprint("item ", i), float64(i)+0.5)
		check(err)
	}
	return db
}

// all reads every row of a statement; the count of those read so far is right also when it fails.
func all(ctx context.Context, db *database, text string, args ...any) (int, error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
		runtime.Gosched()
	}
	return n, rows.Err()
}

func statements(db *database) {
	ctx := context.Background()
	one, err := db.Prepare(selectItem)
	check(err)
	for i := 0; i < number("N", 50); i++ {
		var name string
		var price float64

		check(one.QueryRow(i%items).Scan(&name, &price))
		counted(selectItem, 1)
		n, err := all(ctx, db, selectAll)
		check(err)
		counted(selectAll, n)
		tx, err := db.Begin()
		check(err)
		count("BEGIN", true, false, 0)
		_, err = tx.Exec(insertItem, 1000+i, fmt.Sprint("new ", i), 1)
		check(err)
		counted(insertItem, 1)
		_, err = tx.Exec("DELETE FROM item WHERE id >= 1000")
		check(err)
		counted("DELETE FROM item WHERE id >= 1000", 1)
		check(tx.Commit())
		count("COMMIT", true, false, 0)
		if _, err = db.Exec(insertItem, 1, "again", 0); err == nil {
			check(fmt.Errorf("a key twice"))
		}
		count(insertItem, false, true, 0)
		if _, err = all(ctx, db, "SELECT * FROM nowhere"); err == nil {
			check(fmt.Errorf("no table"))
		}
		count("SELECT * FROM nowhere", false, true, 0)
	}
	check(one.Close())
}

func callbacks(db *database) {
	for i := 0; i < number("N", 50); i++ {
		n, err := all(context.Background(), db, nested)
		check(err)
		counted(nested, n)
	}
}

// interrupted statements are ended by another goroutine, which calls into the library at the same time.
func interrupted(db *database) {
	for i := 0; i < number("N", 50); i++ {
		var ctx context.Context

		ctx, db.cancel = context.WithCancel(context.Background())
		if _, err := all(ctx, db, endless); err == nil {
			check(fmt.Errorf("the endless ended"))
		}
		count(endless, false, true, 0)
		n, err := all(context.Background(), db, selectAll)
		check(err)
		counted(selectAll, n)
	}
}

func main() {
	work := map[string]func(*database){"statements": statements, "callbacks": callbacks, "interrupted": interrupted}[os.Args[1]]
	dbs := make([]*database, number("GOROUTINES", 16))
	var running sync.WaitGroup

	for i := range dbs {
		dbs[i] = open()
	}
	barrier()
	for _, db := range dbs {
		running.Add(1)
		go func(db *database) {
			defer running.Done()
			work(db)
		}(db)
	}
	running.Wait()
	writeTruth("sqlite")
}
