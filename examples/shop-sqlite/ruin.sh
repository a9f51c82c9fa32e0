#!/bin/sh
# The worst that a test can do to its database.
set -eu
file=${DATABASE_URL#sqlite://}
test "$(head -c 15 "$file")" = "SQLite format 3"

echo "not a database" > "$file"
test "$(cat "$file")" = "not a database"
