#!/bin/sh
# Everything that the cache had of the database can be had again.
set -eu
count() { redis-cli -u "$REDIS_URL" HLEN stock; }
before=$(count)
redis-cli -u "$REDIS_URL" DEL stock > /dev/null
test "$(count)" = 0
./fill-cache.sh
test "$(count)" = "$before"
