# The worst that a test can do to its database and to the folder that it runs in. Both are its own copies.
set -eu
file=${DATABASE_URL#sqlite://}

echo "not a database" > "$file"
test "$(cat "$file")" = "not a database"

rm checks/*.sql cowherd.yaml
test -z "$(ls checks)"
