//! What the client runs before a layer is sealed.

/// Makes the statistics of what the step has changed, so that all copies plan alike: a server makes them by itself some
/// seconds after a change, or at the first use (documentation, "Persistent Statistics"). It knows since its start when
/// a table was changed last. The list is one statement; so long as it is prepared, it needs no loop.
pub(super) const FREEZE: &str = "SET SESSION group_concat_max_len = 1 << 30, sql_mode = '';
SELECT CONCAT('ANALYZE NO_WRITE_TO_BINLOG TABLE ', GROUP_CONCAT('`', REPLACE(table_schema, '`', '``'), '`.`', \
REPLACE(table_name, '`', '``'), '`')) INTO @analyze FROM information_schema.tables \
WHERE engine = 'InnoDB' AND table_type = 'BASE TABLE' AND update_time IS NOT NULL \
AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema');
SET @analyze = IFNULL(@analyze, 'DO 0');
PREPARE analyze_changed FROM @analyze;
EXECUTE analyze_changed;
FLUSH TABLES";
