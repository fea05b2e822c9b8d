// SPDX-License-Identifier: BSD-2-Clause

// Programs of Go that are traced by live tests. Each is one file beside this one, built with it:
// "go build truth.go lite.go". What a program executed is counted here, by itself (see clients/truth.h).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
)

type truthRow struct {
	SQL     string `json:"sql"`
	Calls   int    `json:"calls"`
	Errors  int    `json:"errors"`
	Rows    int    `json:"rows"`
	Control bool   `json:"control"`
}

var truth struct {
	sync.Mutex
	rows map[string]*truthRow
}

func count(sql string, control bool, failed bool, rows int) {
	truth.Lock()
	defer truth.Unlock()
	if truth.rows == nil {
		truth.rows = map[string]*truthRow{}
	}
	row := truth.rows[sql]
	if row == nil {
		row = &truthRow{SQL: sql, Control: control}
		truth.rows[sql] = row
	}
	row.Calls++
	row.Rows += rows
	if failed {
		row.Errors++
	}
}

func counted(sql string, rows int) { count(sql, false, false, rows) }

// barrier says "ready" and waits for a line; what was counted before is forgotten.
func barrier() {
	if os.Getenv("BARRIER") == "" {
		return
	}
	truth.Lock()
	truth.rows = nil
	truth.Unlock()
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		os.Exit(98)
	}
}

func writeTruth(system string) {
	rows := []*truthRow{}
	for _, row := range truth.rows {
		rows = append(rows, row)
	}
	line, err := json.Marshal(map[string]any{"system": system, "queries": rows})
	check(err)
	file, err := os.OpenFile(os.Getenv("GROUND_TRUTH"), os.O_APPEND|os.O_WRONLY, 0)
	check(err)
	_, err = file.Write(append(line, '\n'))
	check(err)
	check(file.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(99)
	}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
