#!/bin/sh
# A test's server is its own: no other test is connected, and its databases, roles and settings are free to change.
set -eu
ask() { psql -XAtv ON_ERROR_STOP=1 "$@"; }

test "$(ask -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql'")" = 1
test "$(ask -c "SHOW work_mem")" = 8MB

ask -c "CREATE ROLE clerk" -c "CREATE DATABASE second OWNER clerk" > /dev/null
test "$(ask -d second -c "SELECT current_database()")" = second

ask -c "ALTER DATABASE shop SET work_mem = '16MB'" > /dev/null
test "$(ask -c "SHOW work_mem")" = 16MB
