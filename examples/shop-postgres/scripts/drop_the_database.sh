#!/bin/sh
# Not even this reaches another test.
set -eu
test "$(psql -XAtc "SELECT sum(n) FROM row_count")" = 10184
dropdb --force "$PGDATABASE" --maintenance-db=postgres
test "$(psql -XAt -d postgres -c "SELECT count(*) FROM pg_database WHERE datname = '$PGDATABASE'")" = 0
