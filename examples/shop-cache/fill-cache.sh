#!/bin/sh
# Copies what is in stock from PostgreSQL to Redis.
set -eu
psql -XAtF ' ' -v ON_ERROR_STOP=1 -c "
    SELECT 'HSET stock ' || variant_id || ' ' || sum(quantity) FROM stock GROUP BY variant_id ORDER BY variant_id
" > /tmp/stock.redis
redis-cli -u "$REDIS_URL" < /tmp/stock.redis > /dev/null
