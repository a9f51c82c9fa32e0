-- The trigger on orders writes a line to audit_log for each change of status.
CALL expect((SELECT sum(n) = 10184 FROM row_count));

UPDATE orders SET status = 'cancelled' WHERE status = 'placed';
CALL expect((SELECT count(*) = 300 FROM orders WHERE status = 'cancelled'));
CALL expect((SELECT count(*) = 25 + 200 FROM audit_log));
