#!/bin/sh
# Not even this reaches another test.
set -eu
ask() { mariadb -u root -Ne "$1"; }

test "$(ask "SELECT sum(n) FROM shop.row_count")" = 10184
ask "DROP DATABASE shop"
test "$(ask "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'shop'")" = 0
