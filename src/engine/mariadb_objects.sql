SELECT 'table' AS kind, table_name AS name, NULL AS of_table,
  CONCAT_WS(' ', engine, table_collation, NULLIF(create_options, '')) AS definition
FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
UNION ALL
SELECT 'sequence', table_name, NULL, CONCAT_WS(' ', engine, NULLIF(create_options, ''))
FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'SEQUENCE'
UNION ALL
SELECT 'column', column_name, table_name, CONCAT_WS(' ', column_type, CONCAT('COLLATE ', collation_name),
  IF(is_nullable = 'NO', 'NOT NULL', NULL), CONCAT('DEFAULT ', column_default),
  CONCAT('AS (', NULLIF(generation_expression, ''), ')'), NULLIF(extra, ''))
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
UNION ALL
SELECT 'index', index_name, table_name, CONCAT(IF(MAX(non_unique) = 0, 'UNIQUE ', ''), MAX(index_type), ' (',
  GROUP_CONCAT(column_name, IFNULL(CONCAT('(', sub_part, ')'), ''), IF(collation = 'D', ' DESC', '')
    ORDER BY seq_in_index SEPARATOR ', '), ')')
FROM information_schema.statistics WHERE table_schema = DATABASE() GROUP BY table_name, index_name
UNION ALL
SELECT 'constraint', k.constraint_name, k.table_name, CONCAT('FOREIGN KEY (',
  GROUP_CONCAT(k.column_name ORDER BY k.ordinal_position SEPARATOR ', '), ') REFERENCES ',
  MAX(k.referenced_table_name), ' (',
  GROUP_CONCAT(k.referenced_column_name ORDER BY k.ordinal_position SEPARATOR ', '),
  ') ON UPDATE ', MAX(r.update_rule), ' ON DELETE ', MAX(r.delete_rule))
FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
  ON r.constraint_schema = k.table_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name
WHERE k.table_schema = DATABASE() GROUP BY k.table_name, k.constraint_name
UNION ALL
SELECT 'constraint', constraint_name, table_name, CONCAT('CHECK (', check_clause, ')')
FROM information_schema.check_constraints NATURAL JOIN information_schema.table_constraints
WHERE constraint_schema = DATABASE() AND constraint_type = 'CHECK'
UNION ALL
SELECT 'trigger', trigger_name, event_object_table,
  CONCAT_WS(' ', action_timing, event_manipulation, action_statement)
FROM information_schema.triggers WHERE trigger_schema = DATABASE()
UNION ALL
SELECT 'view', table_name, NULL, CONCAT_WS(' ', view_definition, CONCAT('CHECK OPTION ', NULLIF(check_option, 'NONE')))
FROM information_schema.views WHERE table_schema = DATABASE()
UNION ALL
SELECT 'routine', r.routine_name, NULL, CONCAT_WS(' ', r.routine_type,
  (SELECT CONCAT('(', GROUP_CONCAT(CONCAT_WS(' ', p.parameter_mode, p.parameter_name, p.dtd_identifier)
      ORDER BY p.ordinal_position SEPARATOR ', '), ')')
    FROM information_schema.parameters p
    WHERE p.specific_schema = r.routine_schema AND p.specific_name = r.specific_name AND p.ordinal_position > 0),
  CONCAT('RETURNS ', NULLIF(r.dtd_identifier, '')), r.routine_definition)
FROM information_schema.routines r WHERE r.routine_schema = DATABASE()
UNION ALL
SELECT 'routine', event_name, NULL, CONCAT_WS(' ', 'EVENT', execute_at, interval_value, interval_field, starts, ends,
  status, event_definition)
FROM information_schema.events WHERE event_schema = DATABASE()
