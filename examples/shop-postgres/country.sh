#!/bin/sh
# Takes a country off the map: $1 is the line that `discover` printed.
set -eu
test "$(psql -XAtc "SELECT count(*) FROM address WHERE country = '$1'")" = 160
psql -Xqv ON_ERROR_STOP=1 -c "UPDATE address SET country = '??' WHERE country = '$1'"
test "$(psql -XAtc "SELECT count(*), count(*) FILTER (WHERE country = '??') FROM address")" = "800|160"
