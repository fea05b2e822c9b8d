#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Functions and static probes that the user names: calls, failures, arguments and statements are what the program did."""
import json
import os
import shutil
import subprocess

from harness import APM, Live, client, missing

CPP = r'''
#include <cstdio>
#include <sqlite3.h>
#include <stdexcept>
static sqlite3 *db;
namespace shop {
struct Cart {
	int id;
	__attribute__((noinline)) bool pay(long cents);
};
bool Cart::pay(long cents)
{
	sqlite3_exec(db, "SELECT 'pay'", 0, 0, 0);
	if (cents % 3 == 0)
		throw std::runtime_error("no");
	return cents % 2;
}
}
int main()
{
	shop::Cart cart{3};
	int thrown = 0;
	char line[8];
	sqlite3_open(":memory:", &db);
	std::puts("ready");
	std::fflush(stdout);
	if (!std::fgets(line, sizeof line, stdin))
		return 1;
	for (long i = 0; i < 30; i++) {
		try {
			cart.pay(i);
		} catch (std::exception &) {
			thrown++;
		}
	}
	std::printf("thrown %d\n", thrown);
}
'''
GO = '''package main

import (
	"errors"
	"sync"
	"time"
)

//go:noinline
func deep(n int) int {
	var b [1024]byte
	b[n] = 1
	if n == 0 {
		return int(b[3])
	}
	return deep(n-1) + int(b[1])
}

//go:noinline
func Serve(id int) error {
	deep(id%40 + 1)
	time.Sleep(time.Millisecond)
	if id%5 == 0 {
		return errors.New("x")
	}
	return nil
}

func main() {
	var wg sync.WaitGroup
	for w := 0; w < 8; w++ {
		wg.Add(1)
		go func(w int) {
			defer wg.Done()
			for i := 0; i < 10; i++ {
				Serve(w*10 + i)
			}
		}(w)
	}
	wg.Wait()
}
'''


def spans_of(report):
    return {u['shape']: u for u in report['unit_shapes'] if u['kind'] == 'span'}


def figures(span):
    return [span['count'], span['statements'], span['status']['ok'], span['status']['error'], span['status']['left'],
            span['status']['unknown']]


def attribute(span, name):
    return next(a for a in span['attributes'] if a['name'] == name)


def options(place, *rules):
    return [word for rule in rules for word in ('--span', place + ':' + rule)]


RULES = ('handle@arg1:number@arg2:str:route@arg3:amount@ret<0', 'outer@background', 'recurse@ret', 'leave', 'busy', 'job@scheduled', 'last')


def check_client(live, report):
    spans = spans_of(report)
    # calls, statements, ok, failed, left, unknown
    wanted = {'handle': [37, 222, 27, 10, 0, 0], 'outer': [7, 49, 7, 0, 0, 0], 'recurse': [3, 6, 3, 0, 0, 0],
              'leave': [10, 10, 5, 5, 5, 0], 'busy': [5, 0, 5, 0, 0, 0], 'job': [6, 6, 4, 0, 0, 2], 'last': [1, 1, 0, 0, 0, 1]}
    for name, want in wanted.items():
        live.ok(figures(spans[name]) == want, '%s: calls, statements, ok, failed, left, unknown' % name, (figures(spans[name]), want))
    live.ok([spans[n]['type'] for n in ('handle', 'outer', 'job')] == ['request', 'background', 'scheduled'], 'kinds of work')
    number, amount, route = (attribute(spans['handle'], n) for n in ('number', 'amount', 'route'))
    live.ok([number[k] for k in ('count', 'sum', 'min', 'max')] == [37, 435 + 21, 0, 29], 'an int argument', number)
    live.ok([amount[k] for k in ('count', 'sum', 'max')] == [37, 30 * 5000000000 + 435 + 7, 5000000029], 'one that is no int', amount)
    live.ok({v['value']: v['count'] for v in route['values']} == {'/cart': 10, '/pay': 10, '/item': 10, '/outer': 7}, 'a text', route)
    failed = {v['value']: v['failed'] for v in route['values']}
    live.ok(failed == {'/cart': 3, '/pay': 3, '/item': 2, '/outer': 2}, 'failures by text', failed)
    live.ok(attribute(spans['recurse'], 'ret')['count'] == 3, 'a return value as a figure')
    cpu = spans['busy']['metrics']
    # It works for 100 ms of its own clock, which also counts what switches of tasks take and, in a virtual machine, time that the
    # host took (18 ms of it were seen), and sleeps for 100 ms at least.
    live.ok(50 <= cpu['cpu_ms'] < cpu['cpu_ms'] + cpu['off_cpu_ms'] and cpu['off_cpu_ms'] >= 100 and not cpu['cpu_estimated'],
            'CPU time and time off the CPU of a call', cpu)
    growth = {name: spans[name]['metrics']['memory_growth_bytes'] for name in ('busy', 'last')}
    live.ok(growth['busy'] is not None and growth['last'] is None, 'how memory grew; not known of what goes with its thread', growth)
    live.ok(not any(value for name, value in report['losses'].items()), 'nothing is lost', report['losses'])


def check_findings(live, report):
    found = [f for f in report['findings'] if f['detector'] == 'n_plus_one']
    units = sorted((f['unit'], f['count'], f['confidence']) for f in found)
    # Of the 37 calls 7 are part of a call of outer().
    live.ok(units == [('call of handle (span_client)', 180, 'exact'), ('call of outer (span_client)', 42, 'exact')],
            'an N+1 in a call is exact, and that of the outermost', units)
    live.ok(report['summary']['links']['exact'] == report['summary']['statements'], 'every statement is in a unit', report['summary'])


def functions(live, program_path):
    report, _ = live.run([program_path], options(program_path, *RULES))
    check_client(live, report)
    check_findings(live, report)
    capture = live.path('apm')
    program = live.program([program_path]).ready()
    tracer = live.tracer('record', '-o', capture, '-p', program.pid, *options('span_client', *RULES)).ready()
    program.go().wait()
    live.ok(tracer.wait(30) == 0, 'record ends')
    replayed = subprocess.run([APM, 'report', '--json', capture], stdout=subprocess.PIPE, timeout=60, check=True)
    check_client(live, json.loads(replayed.stdout))
    tracer = live.tracer('--json', *options(program_path, *RULES), '--', program_path)
    check_client(live, tracer.report(60))


def running(live, program_path):
    """What does not happen is told as well."""
    program = live.program([program_path]).ready()
    tracer = live.tracer('--json', '-p', program.pid, *options(program_path, 'last')).ready()
    span = spans_of(tracer.stop().report())
    live.ok(span['last']['count'] == 0 and span['last']['confidence'] == 'exact', 'a function that was not called has a row', span)
    program.process.kill()


def refusals(live, program_path):
    stripped = live.path('stripped')
    subprocess.run(['strip', '-o', stripped, program_path], check=True, timeout=60)
    for place, words in ((program_path + ':handel', 'has no function handel'), (stripped + ':handle', 'was stripped'),
                         (program_path + ':sqlite3_exec', 'only calls sqlite3_exec'), ('/nowhere/x:f', 'cannot open'),
                         (program_path + ':handle@arg7:x', 'no argument 7'), (program_path + ':a:b', 'no static probe a:b'),
                         (program_path, 'BINARY:FUNCTION'), (program_path + ':handle@rte', "'@rte'")):
        run = subprocess.run([APM, '--span', place, '--', '/bin/true'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        live.ok(run.returncode == 2 and words in run.stderr and run.stderr.count('\n') == 1, 'refused with one line: ' + words, run.stderr)
    plan = subprocess.run([APM, '--dry-run', '--span', program_path + ':handle', '--', program_path], stdout=subprocess.PIPE, text=True,
                          timeout=60)
    live.ok(plan.returncode == 0 and 'begins' in plan.stdout and 'ends' in plan.stdout, '--dry-run tells the places', plan.stdout[-300:])


def build(live, compiler, name, text, *flags):
    """A program of another language; None when it cannot be built."""
    if not shutil.which(compiler[0]):
        return None
    source, program = live.path(name), live.path('program')
    with open(source, 'w', encoding='utf-8') as file:
        file.write(text)
    env = dict(os.environ, HOME=live.dir, GOCACHE=os.path.join(live.dir, 'gocache'), GOFLAGS='-mod=mod')
    run = subprocess.run([*compiler, '-o', program, source, *flags], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    return program if run.returncode == 0 else None


def cplusplus(live):
    program = build(live, ['g++', '-O2'], 'cart.cpp', CPP, '-lsqlite3')
    if not program:
        live.skip('C++', 'no C++ compiler')
        return
    report, run = live.run([program], options(program, 'shop::Cart::pay@arg2:i64:cents@ret:bool==0'))
    span = spans_of(report)['shop::Cart::pay']
    live.ok('thrown 10' in run.output(), 'exceptions go through a traced function')
    live.ok(figures(span) == [30, 30, 10, 20, 10, 0], 'C++: a call that an exception leaves failed', figures(span))
    live.ok(attribute(span, 'cents')['sum'] == 435, 'C++: the argument behind this', span['attributes'])


def go(live):
    program = build(live, ['go', 'build'], 'serve.go', GO)
    if not program:
        live.skip('Go', 'no Go compiler')
        return
    tracer = live.tracer('--json', '--span', program + ':main.Serve@arg1:id@ret:ptr!=null', '--', program)
    span = spans_of(tracer.report(60))['main.Serve']
    live.ok(figures(span) == [80, 0, 64, 16, 0, 0], 'Go: calls of goroutines whose stacks move', figures(span))
    live.ok(attribute(span, 'id')['sum'] == 3160 and span['metrics']['cpu_ms'] is None, 'Go: argument; CPU time not known', span)


def php(live):
    why = missing('php', 'new PDO("sqlite::memory:");')
    probes = subprocess.run(['readelf', '-n', os.path.realpath(shutil.which('php') or '/bin/true')], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, timeout=60).stdout
    if not why and 'request__startup' not in probes:
        why = 'this PHP has no static probes'
    if why:
        live.skip('PHP', why)
        return
    script = live.path('page.php')
    with open(script, 'w', encoding='utf-8') as file:
        file.write('<?php $db = new PDO("sqlite::memory:"); for ($i = 0; $i < 7; $i++) $db->query("SELECT $i");')
    path = os.path.realpath(shutil.which('php'))
    report = live.tracer('--json', '--span', path + ':php:request__startup@arg1:str:script', '--', path, script).report(60)
    span = spans_of(report)['php:request__startup']
    live.ok(figures(span) == [1, 7, 1, 0, 0, 0] and attribute(span, 'script')['values'][0]['value'] == script,
            'PHP: a request between two static probes', span)


def main():
    with Live() as live:
        path = os.path.join(live.dir, 'span_client')
        shutil.copy(client('span_client'), path)
        for name, check in (('functions', functions), ('running', running), ('refusals', refusals)):
            with live.section(name):
                check(live, path)
        for name, check in (('C++', cplusplus), ('Go', go), ('PHP', php)):
            with live.section(name):
                check(live)


main()
