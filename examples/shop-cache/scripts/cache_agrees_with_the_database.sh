#!/bin/sh
# Sells one of each variant, in both.
set -eu
redis() { redis-cli -u "$REDIS_URL" "$@"; }
sql() { psql -XAtv ON_ERROR_STOP=1 "$@"; }
in_sql() { sql -c "SELECT sum(quantity) FROM stock"; }
in_redis() { redis EVAL "
    local sum = 0
    for _, value in ipairs(redis.call('HVALS', KEYS[1])) do sum = sum + value end
    return sum" 1 stock; }

before=$(in_sql)
test "$(in_redis)" = "$before"
sql -c "
    UPDATE stock SET quantity = quantity - 1
    FROM (SELECT variant_id, min(warehouse_id) AS warehouse_id FROM stock GROUP BY variant_id) AS one
    WHERE stock.variant_id = one.variant_id AND stock.warehouse_id = one.warehouse_id" > /dev/null
for variant in $(sql -c "SELECT DISTINCT variant_id FROM stock"); do
    echo "FCALL take 1 stock $variant"
done | redis > /dev/null
test "$(in_sql)" -lt "$before"
test "$(in_redis)" = "$(in_sql)"
