#!/bin/sh
# Takes a country off the map: $1 is the line that `discover` printed.
set -eu
ask() { mariadb -u root -D shop -Ne "$1"; }

test "$(ask "SELECT count(*) FROM address WHERE country = '$1'")" = 160
ask "UPDATE address SET country = '??' WHERE country = '$1'"
test "$(ask "SELECT concat(count(*), '|', sum(country = '??')) FROM address")" = "800|160"
